"""The cache of fetched server programs, and of databases' first data folders, which all clones of the project share.

A part is a folder `<cache>/stream-parts/<part>-<version>`. It appears by one rename, under a lock, so
that it is either whole or not there, and two processes never build it at the same time.
"""

import fcntl
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import UnavailableError

CHECKOUT = Path(__file__).resolve().parents[2]


def say(text: str) -> None:
    """Tell the person at the terminal one line, on stderr: stdout is for `export` lines alone."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def parts_folder() -> Path:
    """Return the folder of the fetched parts, made if it is missing.

    That is `$XDG_CACHE_HOME/stream-parts`, or `~/.cache/stream-parts`; where neither can be written
    (no home at all, as in some containers), `.local/parts` in this checkout.
    """
    for cache in _cache_folders():
        folder = cache / "stream-parts"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    folder = CHECKOUT / ".local" / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _cache_folders() -> Iterator[Path]:
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if Path(xdg).is_absolute():  # the XDG specification: a relative path is to be ignored
        yield Path(xdg)
    home = os.environ.get("HOME", "")
    if not home:  # Path.home() would make "/" out of an empty HOME
        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            return
    yield Path(home) / ".cache"


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock on `file`; the kernel lets go of it when the process ends, however it does."""
    with file.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that holds {file} …")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def part(name: str, build: Callable[[Path], str], version: str = "") -> Path:
    """Return the folder of the part `name`, building it first where the cache has none.

    `build` fills the empty folder that it is given and returns the version that it put there. Without
    `version`, any version that was fetched before will do, the newest fetch first: what Debian's `sid`
    holds moves, and a machine should keep what it has.

    Raises UnavailableError if the part cannot be had.
    """
    folder = parts_folder()
    if fetched := _found(folder, name, version):
        return fetched
    with locked(folder / f"{name}.lock"):
        if fetched := _found(folder, name, version):
            return fetched
        for leftover in folder.glob(f".{name}-*"):  # of a build that was killed: we hold the lock
            shutil.rmtree(leftover, ignore_errors=True)
        return _build(folder, name, build)


def _found(folder: Path, name: str, version: str) -> Path | None:
    whole = list(folder.glob(f"{name}-{version or '*'}"))
    return max(whole, key=lambda path: path.stat().st_mtime, default=None)


def _build(folder: Path, name: str, build: Callable[[Path], str]) -> Path:
    growing = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder))
    try:
        whole = folder / f"{name}-{build(growing)}"
        growing.chmod(0o755)
        growing.rename(whole)
    except OSError as error:
        raise UnavailableError(
            f"{name} could not be put into {folder}: {error.strerror or type(error).__name__}.\n"
            f"Is there space (about 700 MB), and may you write there? XDG_CACHE_HOME moves the cache."
        ) from error
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return whole
