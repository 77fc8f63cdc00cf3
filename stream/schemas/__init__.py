"""Avro schemas: the bytes in front of a record, the schemas that we know, and where the others come from."""
