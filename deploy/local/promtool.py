"""Prometheus' promtool, from Debian's package of Prometheus: it checks alert rules and runs their tests."""

import platform
import shutil
import subprocess
from pathlib import Path

from deploy.local.debian import Archive
from deploy.local.errors import UnavailableError
from deploy.local.parts import part, say

SUITE = "bookworm"  # its Prometheus, 2.42, is the one of docker-compose.yml
PACKAGE = "prometheus"
# What the server's pages and its service need. The program needs nothing but the machine's C library.
NOT_NEEDED = (
    "adduser",
    "fonts-glyphicons-halflings",
    "init-system-helpers",
    "libc6",
    "libjs-bootstrap4",
    "libjs-eonasdan-bootstrap-datetimepicker",
    "libjs-jquery",
    "libjs-jquery-hotkeys",
    "libjs-moment",
    "libjs-moment-timezone",
    "libjs-mustache",
    "libjs-popper.js",
    "libjs-rickshaw",
)


def promtool_program() -> Path:
    """Return the path of promtool, fetched if it is missing. Raises UnavailableError."""
    if platform.system() != "Linux":
        raise UnavailableError("The promtool of this project's tests is Debian's, which needs Linux.")
    return part("promtool", _build) / "promtool"


def _build(folder: Path) -> str:
    say("fetching promtool from Debian's archive (20 MB, once; about 10 s) …")
    downloads = folder / ".downloads"
    archive = Archive(downloads, SUITE, without=NOT_NEEDED)
    version = archive.fetch([PACKAGE])
    archive.unpack(downloads / "unpacked")
    (downloads / "unpacked/usr/bin/promtool").rename(folder / "promtool")
    shutil.rmtree(downloads)
    _try_out(folder / "promtool")
    return version


def _try_out(program: Path) -> None:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise UnavailableError(f"promtool does not run on this machine: {done.stderr.strip()[-300:]}")
