"""What is particular to each topic, one file each with a `TOPIC`."""
