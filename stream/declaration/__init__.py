"""The language of a catalog file: types, events, persons, tables, streams and rollups."""
