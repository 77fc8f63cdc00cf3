"""The particulars of each topic, one file each with a `TOPIC`."""
