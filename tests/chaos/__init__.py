import pytest

# So that a failed assertion in these shows its values, as one in a test does.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in ("feed", "group", "judge", "strikes", "watch")))
