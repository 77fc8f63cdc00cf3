"""The cache of programs, and the reading of the machine's apt sources."""

import os
import pwd
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from jgo.maven import Artifact

from deploy.local import UnavailableError, debian, fallback
from deploy.local.debian import Archive, archive_addresses
from deploy.local.maven import fetch_archive
from deploy.local.parts import CHECKOUT, part, parts_folder


def filled(folder: Path) -> str:
    """Build a part of one file, and call it version 1.0."""
    folder.joinpath("program").write_text("")
    return "1.0"


def refused(_folder: Path) -> str:
    """Fail as a fetch without a network does."""
    raise UnavailableError("no network")


def test_part_is_fetched_once(parts: Path) -> None:
    assert part("thing", filled) == parts / "thing-1.0"
    assert part("thing", refused) == parts / "thing-1.0"
    assert part("thing", refused, "1.0") == parts / "thing-1.0"
    with pytest.raises(UnavailableError):
        part("thing", refused, "2.0")


def test_failed_fetch_leaves_nothing(parts: Path) -> None:
    with pytest.raises(UnavailableError):
        part("thing", refused)
    assert [path.name for path in parts.iterdir()] == ["thing.lock"]


def test_leftovers_of_a_killed_fetch_are_removed(parts: Path) -> None:
    parts.joinpath(".thing-abc").mkdir(parents=True)
    part("thing", filled)
    assert sorted(path.name for path in parts.iterdir()) == ["thing-1.0", "thing.lock"]


def test_two_that_fetch_at_once_build_once(parts: Path) -> None:
    begun, go_on, builds = threading.Event(), threading.Event(), list[Path]()

    def slow(folder: Path) -> str:
        builds.append(folder)
        begun.set()
        go_on.wait(10)
        return filled(folder)

    threads = [threading.Thread(target=part, args=("thing", slow)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert parts.joinpath("thing-1.0").is_dir()


def test_full_disk_is_explained(parts: Path) -> None:
    def full(_folder: Path) -> str:
        raise OSError(28, "No space left on device")

    with pytest.raises(UnavailableError, match=r"No space left on device.*\n.*XDG_CACHE_HOME"):
        part("thing", full)
    assert parts.is_dir()


@pytest.mark.parametrize("home", ["", None])
def test_cache_is_found_without_a_home(home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    if home is not None:
        monkeypatch.setenv("HOME", home)
    own = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache" / "stream-parts"
    assert parts_folder() in (own, CHECKOUT / ".local" / "parts")


def test_archive_is_found_among_the_machines_sources(tmp_path: Path) -> None:
    tmp_path.joinpath("sources.list").write_text(
        "# deb http://commented.example/debian sid main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ stable main contrib # note\n"
        "deb http://mirror.example/debian-security stable-security main\n"
        "deb-src http://sources.example/debian stable main\n"
        "deb https://vendor.example/repository stable main\n"
    )
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    folder.joinpath("own.sources").write_text(
        "Types: deb\n# http://snapshot.example/debian/2025\nURIs: http://second.example/debian\n"
        " http://third.example/mirrored-debian\nSuites: stable stable-updates\nComponents: main\n\n"
        "Types: deb\nURIs: http://vendor.example/debian\nSuites: nodistro\nComponents: main\n\n"
        "Types: deb\nEnabled: no\nURIs: http://disabled.example/debian\nSuites: stable\nComponents: main\n"
    )
    folder.joinpath("old.list.save").write_text("deb http://saved.example/debian stable main\n")
    assert archive_addresses(tmp_path) == [
        "http://mirror.example/debian",
        "http://second.example/debian",
        "http://third.example/mirrored-debian",
    ]


def test_machine_without_apt_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="no apt-get here"):
        Archive(tmp_path / "archive", "sid")


def test_fall_back_to_mariadb_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> Path:
        raise UnavailableError("There is no archive.")

    monkeypatch.setattr(fallback, "mysql_program", none)
    assert fallback.choose_database(tmp_path).flavour == "mariadb"
    assert "MariaDB takes the place of MySQL" in capsys.readouterr().err


def test_archive_that_does_not_answer_is_told_with_apts_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("apt-get", "apt-config", "dpkg"):
        program = programs / name
        program.write_text('#!/bin/sh\n[ "$1" != update ] || { echo "E: No such host" >&2; exit 100; }\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(debian, "archive_addresses", lambda: ["http://mirror.example/debian"])
    with pytest.raises(UnavailableError, match=r"apt-get update.*No such host\nIs there a network"):
        Archive(tmp_path / "archive", "sid").fetch(["mysql-server-core"])


def test_missing_network_is_told_without_a_traceback(tmp_path: Path) -> None:
    proxies = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")  # nobody listens there
    program = (
        "from deploy.local import LocalError, kafka\n"
        "try: kafka.kafka_program()\n"
        "except LocalError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | proxies | {"XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "could not be fetched from Maven Central" in done.stdout
    assert "Is there a network" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_archive_that_is_another_is_told_without_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(artifact: Artifact) -> Path:
        file = tmp_path / artifact.filename
        file.write_bytes(b"<html>")
        return file

    monkeypatch.setattr(Artifact, "resolve", damaged)
    with pytest.raises(UnavailableError, match=r"app-1\.0-all\.tar\.gz is not what this project was tried with"):
        fetch_archive(tmp_path, "a.group:app:1.0:all", "0" * 64)
