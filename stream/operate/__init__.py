"""Operators' commands: offsets, lag, dead letters, erasures, and checks of what must agree."""
