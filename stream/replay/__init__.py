"""A part of the log read again: into the tables, tried out, or compared with them."""
