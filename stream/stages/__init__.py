"""The pure line: bytes to datum to event to rows to statement, without I/O."""
