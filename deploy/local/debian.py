"""Programs from Debian's archive, unpacked into a folder of their own: no root, nothing installed.

apt does the fetching and checks Debian's signatures, with private lists, cache and status, so that the
machine's own package state is neither read nor changed. Only the address of the archive and the settings for
the way there (proxy, certificates) come from the machine.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.local.errors import UnavailableError

SOURCES = Path("/etc/apt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Settings of the machine that decide how the archive is reached; its other ones (hooks that run after an
# update, further indexes) are about the machine's own packages.
KEPT_SETTINGS = ("Acquire::http", "Acquire::ftp", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv")
# Debian's own names for its releases; other vendors' archives are for their own suites.
RELEASES = {"oldstable", "stable", "testing", "unstable", "sid"}


class Archive:
    """A private view of one suite of Debian's archive."""

    def __init__(self, folder: Path, suite: str, *, without: tuple[str, ...] = ()) -> None:
        """Prepare a view of `suite` in the empty `folder`.

        `without` names packages that the wanted ones depend on and that are not to be fetched: apt is told
        that they are there.
        """
        self._folder = folder
        self._suite = suite
        self._without = without
        self._prepare()

    def fetch(self, packages: list[str]) -> str:
        """Download `packages` with all they need; return the version of the first.

        Raises UnavailableError if there is no apt, no archive, no network or no such package.
        """
        self._update()
        self._run("apt-get", "install", "--yes", "--no-install-recommends", "--download-only", *packages)
        files = list(self._packages.glob(f"{packages[0]}_*.deb"))
        if len(files) != 1:
            raise UnavailableError(f"apt did not say so, but it fetched no {packages[0]}. Try again.")
        version = files[0].name.split("_")[1]
        return version.replace("%3a", ":").split(":")[-1]

    def unpack(self, folder: Path) -> None:
        """Unpack all downloaded packages into `folder`, without running anything that is in them."""
        for package in sorted(self._packages.glob("*.deb")):
            self._run("dpkg", "-x", str(package), str(folder))

    @property
    def _packages(self) -> Path:
        return self._folder / "cache" / "archives"

    def _prepare(self) -> None:
        for needed in ("apt-get", "apt-config", "dpkg"):
            if shutil.which(needed) is None:
                raise UnavailableError(
                    f"There is no {needed} here, and this part comes as a Debian package.\n"
                    "Use a Debian machine, or `docker compose up`."
                )
        for folder in ("lists/partial", "cache/archives/partial", "state"):
            (self._folder / folder).mkdir(parents=True)
        self._folder.joinpath("status").write_text("".join(map(_pretended, self._without)))
        settings = self._machine_settings()
        self._folder.joinpath("apt.conf").write_text("\n".join([*settings, *self._own_settings()]))

    def _own_settings(self) -> Iterator[str]:
        folder = self._folder
        own = {
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": folder / "state",
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "Acquire::Languages": "none",
            "APT::Get::List-Cleanup": "false",
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
            "Debug::NoLocking": "true",  # the lock would be the machine's own; nobody else is in our folder
        }
        return (f'{name} "{value}";' for name, value in own.items())

    @staticmethod
    def _machine_settings() -> list[str]:
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True)  # noqa: S607
        return [line for line in dump.stdout.splitlines() if line.startswith(KEPT_SETTINGS)]

    def _update(self) -> None:
        """Read the suite's index from the first of the machine's archives that has it."""
        addresses = archive_addresses()
        if not addresses:
            raise UnavailableError(
                f"No source in {SOURCES} is Debian's archive, and this part comes from there.\n"
                "Use a Debian machine, or `docker compose up`."
            )
        for address in addresses:
            line = f"deb [signed-by={KEYRING}] {address} {self._suite} main\n"
            self._folder.joinpath("sources.list").write_text(line)
            try:
                self._run("apt-get", "update", "--error-on=any")
                return
            except UnavailableError as error:
                refused = error
        raise refused

    def _run(self, *command: str) -> None:
        environment = os.environ | {"APT_CONFIG": str(self._folder / "apt.conf"), "LC_ALL": "C"}
        done = subprocess.run(  # noqa: S603 - the commands are ours
            command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode != 0:
            complaints = [line for line in done.stderr.splitlines() if line.startswith(("E:", "Err", "dpkg"))]
            raise UnavailableError(
                f"`{' '.join(command[:2])}` did not work: {' '.join(complaints) or done.stderr[-500:]}\n"
                "Is there a network, and does `apt-get update` work on this machine?"
            )


def unpacked_command(prefix: Path, program: str) -> list[str]:
    """Return the start of a command line that runs a program of an unpacked folder with the libraries there.

    Raises UnavailableError where either is missing.
    """
    loaders = list(prefix.glob("usr/lib/*/ld-linux-*.so.*"))
    if len(loaders) != 1:
        raise UnavailableError(f"{prefix} is damaged (no loader in it): delete it and try again.")
    if not (prefix / program).exists():
        raise UnavailableError(f"{prefix} has no {program}: delete it and try again.")
    return [str(loaders[0]), "--library-path", str(loaders[0].parent), str(prefix / program)]


def _pretended(package: str) -> str:
    return (
        f"Package: {package}\nStatus: install ok installed\nVersion: 99:0\nArchitecture: {_architecture()}\n"
        "Multi-Arch: allowed\nMaintainer: none\nDescription: pretended to be there\n\n"
    )


def _architecture() -> str:
    command = ["dpkg", "--print-architecture"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603


def archive_addresses(sources: Path = SOURCES) -> list[str]:
    """Return the addresses of Debian's archive that this machine's apt sources name, likeliest first."""
    addresses: dict[str, None] = {}
    for file in sorted([sources / "sources.list", *sources.glob("sources.list.d/*")]):
        if file.suffix == ".sources":
            entries = _paragraph_entries(file.read_text(errors="replace"))
        elif file.suffix == ".list" and file.is_file():
            entries = _line_entries(file.read_text(errors="replace"))
        else:
            continue
        for address, suites, components in entries:
            if _is_archive(address, suites, components):
                addresses[address.rstrip("/")] = None
    return sorted(addresses, key=lambda address: not address.endswith("/debian"))


def _is_archive(address: str, suites: set[str], components: set[str]) -> bool:
    last = address.rstrip("/").rsplit("/", 1)[-1]
    own_release = RELEASES | {_codename()}
    is_debian = "debian" in last and "security" not in last and "main" in components
    return is_debian and bool(suites & own_release) and address.startswith(("http:", "https:", "mirror"))


def _codename() -> str:
    release = Path("/etc/os-release")
    text = release.read_text() if release.is_file() else ""
    match = re.search(r'^VERSION_CODENAME="?([\w-]+)', text, re.MULTILINE)
    return match[1] if match else "sid"


def _line_entries(text: str) -> Iterator[tuple[str, set[str], set[str]]]:
    """Read the one-line format: `deb [options] address suite component…`."""
    for line in text.splitlines():
        if match := re.match(r"deb\s+(?:\[[^]]*\]\s*)?(\S+)\s+(\S+)\s+([^#]*)", line.strip()):
            yield match[1], {match[2]}, set(match[3].split())


def _paragraph_entries(text: str) -> Iterator[tuple[str, set[str], set[str]]]:
    """Read the deb822 format: paragraphs of `Field: values`, values going on in indented lines."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = {
            name.lower(): values.split()
            for name, values in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", paragraph, re.MULTILINE)
        }
        if "deb" in fields.get("types", ["deb"]) and fields.get("enabled", ["yes"]) != ["no"]:
            for address in fields.get("uris", []):
                yield address, set(fields.get("suites", [])), set(fields.get("components", []))
