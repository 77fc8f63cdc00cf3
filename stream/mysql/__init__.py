"""The edge to MySQL: all SQL that writes."""
