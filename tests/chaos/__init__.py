from pathlib import Path

import pytest

# So that a failed assertion in these shows its values, as one in a test does.
pytest.register_assert_rewrite(*(f"{__name__}.{path.stem}" for path in Path(__file__).parent.glob("[a-z]*.py")))
