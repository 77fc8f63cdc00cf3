"""The folders of schemas and migrations: beside the package in a checkout, inside it once it is installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    installed = _PACKAGE / "_installed" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


SCHEMAS_FOLDER = _folder("schemas")
MIGRATIONS_FOLDER = _folder("migrations")
