import pytest

# So that a failed assertion in these shows its values, as one in a test does.
MODULES = ("brokers", "conflicts", "feed", "group", "judge", "kills", "members", "outages", "planted", "watch")
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in MODULES))
