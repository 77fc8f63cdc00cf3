"""Data quality: the checks, and running them."""
