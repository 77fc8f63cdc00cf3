"""The keys of hashes that tests use; nothing of the product is imported, for the model reads them as well."""

HASH_KEY = "tests-only-newest-key-0123456789abcdef"
OLDER_HASH_KEY = "tests-only-older-key-fedcba9876543210"
HASH_KEYS = f"{HASH_KEY} {OLDER_HASH_KEY}"
"""As `STREAM_HASH_KEY` has them: after a rotation, the newest first."""
