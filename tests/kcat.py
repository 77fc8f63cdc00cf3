"""kcat, with which people read topics: Debian's package, in the cache of fetched programs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from deploy.local.debian import Archive, unpacked_command
from deploy.local.parts import part, say

SUITE = "stable"
SECONDS_MAX = 30.0


def kcat(*arguments: str) -> bytes:
    """The output of kcat. Raises UnavailableError where it can't be had, and CalledProcessError."""
    command = [*unpacked_command(part("kcat", _build), "usr/bin/kcat"), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=SECONDS_MAX).stdout


def _build(folder: Path) -> str:
    say("fetching kcat from Debian's archive (14 MB, once; about 10 s) …")
    downloads = folder / ".downloads"
    downloads.mkdir()
    archive = Archive(downloads, SUITE)
    version = archive.fetch(["kcat"])
    archive.unpack(folder)
    shutil.rmtree(downloads)
    return version
