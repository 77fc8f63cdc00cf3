"""A local MySQL, unpacked from Debian's packages and run with the C library that came with them."""

import platform
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

from deploy.local.database import Database
from deploy.local.debian import Archive, unpacked_command
from deploy.local.errors import ServerError, UnavailableError
from deploy.local.parts import part, say

SUITE = "sid"  # the only suite that has the server
PACKAGES = ["mysql-server-core", "mysql-client-core"]
# What is only for people to read, and for programs that we do not run: a third of what was unpacked.
NOT_NEEDED = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/lib/mysql-testsuite"]


class MySQL(Database):
    """A MySQL server with its defaults for durability and binary log."""

    name: ClassVar[str] = "MySQL"
    flavour: ClassVar[str] = "mysql"

    @property
    def version(self) -> str:
        """The server's version, without Debian's suffix."""
        return mysql_program().name.removeprefix("mysql-").split("-")[0]

    def client(self, program: str) -> list[str]:
        """Return the start of a command line for `mysql`, `mysqldump`, `mysqladmin` or `mysqlbinlog`."""
        return [*unpacked_command(mysql_program(), f"usr/bin/{program}"), f"--defaults-file={self._client_options()}"]

    def _program(self) -> Path:
        return mysql_program()

    def _initialise(self, data: Path) -> None:
        made = subprocess.run(  # noqa: S603 - the command is ours
            [*self._server(), "--initialize-insecure", f"--datadir={data}", *self._user_option()],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise ServerError(f"MySQL could not make its system tables:\n{made.stderr[-2000:]}")
        (data / "auto.cnf").unlink(missing_ok=True)  # the server's own id: each makes one at its first start

    def _command(self) -> list[str]:
        return [*self._server(), *self._options()]

    def _server(self) -> list[str]:
        prefix = mysql_program()
        places = {
            "basedir": prefix / "usr",
            "lc-messages-dir": prefix / "usr/share/mysql",
            "character-sets-dir": prefix / "usr/share/mysql/charsets",
            "plugin-dir": prefix / "usr/lib/mysql/plugin",
        }
        options = [f"--{name}={path}" for name, path in places.items()]
        return [*unpacked_command(prefix, "usr/sbin/mysqld"), "--no-defaults", *options, "--mysqlx=OFF"]


def start_mysql(folder: Path) -> Database:
    """Start a MySQL with its data in `folder` and return it when clients are served.

    Raises UnavailableError, ServerError.
    """
    database = MySQL(folder)
    database.start()
    return database


def mysql_program() -> Path:
    """Return the folder with MySQL's programs, fetched if they are missing. Raises UnavailableError."""
    if platform.system() != "Linux":
        raise UnavailableError("The MySQL of this project's local servers is Debian's, which needs Linux.")

    def build(folder: Path) -> str:
        say("fetching MySQL from Debian's archive (54 MB, once; about 10 s) …")
        downloads = folder / ".downloads"
        archive = Archive(downloads, SUITE, without=("perl",))  # for its scripts only
        version = archive.fetch(PACKAGES)
        archive.unpack(folder)
        _try_out(folder)
        for path in [downloads, *(folder / name for name in NOT_NEEDED)]:
            shutil.rmtree(path, ignore_errors=True)
        return version

    return part("mysql", build)


def _try_out(prefix: Path) -> None:
    """Run the server's `--version`: its C library may want a newer kernel than this machine's."""
    command = [*unpacked_command(prefix, "usr/sbin/mysqld"), "--no-defaults", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise UnavailableError(f"MySQL does not run on this machine: {done.stderr.strip()[-300:]}")
