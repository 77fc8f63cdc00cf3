"""The common part of the local MySQL and the local MariaDB."""

import json
import os
import re
import secrets
import shutil
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import pymysql
from pymysql.cursors import Cursor

from deploy.local.errors import ServerError
from deploy.local.parts import part
from deploy.local.server import Server

ACCOUNT = "stream"
ADMIN = "admin"
# A name that the ordinary account has rights on, and that needs no quoting.
DATABASE_NAME = re.compile(r"stream[a-z0-9_]{0,50}")
# All that migrations, the program, reports and a dump of one's own database need; nothing about the server.
RIGHTS = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, CREATE VIEW, SHOW VIEW, "
    "TRIGGER, EVENT, CREATE ROUTINE, ALTER ROUTINE, EXECUTE, CREATE TEMPORARY TABLES, LOCK TABLES"
)
# A batch as one JSON parameter, and records of 2 MB, need more than MariaDB's 16 MB; new rows are loaded as lines.
SETTINGS = {"innodb-buffer-pool-size": "384M", "local-infile": "ON", "max-allowed-packet": "64M"}


class Database(Server):
    """A MySQL or MariaDB on 127.0.0.1 with two accounts, both with a password.

    `stream` may do anything to databases whose name begins with `stream`, and nothing else; `admin` may do
    anything. The server's own root account has a password that nobody knows.
    """

    flavour: ClassVar[str]
    client_settings: ClassVar[list[str]] = []

    @abstractmethod
    def client(self, program: str) -> list[str]:
        """Return the start of a command line for a client program (`mysql`, `mysqldump`).

        It connects as `admin`, by way of a file that only we can read: no password on the command line.
        Raises UnavailableError.
        """

    def url(self, database: str) -> str:
        """Return SQLAlchemy's URL of `database` for the ordinary account, password included."""
        return self._url(ACCOUNT, database)

    def admin_url(self, database: str = "") -> str:
        """Return SQLAlchemy's URL for the account with all rights, password included."""
        return self._url(ADMIN, database)

    def create_database(self, name: str) -> str:
        """Create the database `name` (`stream…`) where it is missing, and return its URL."""
        self._execute(f"CREATE DATABASE IF NOT EXISTS {_checked(name)} CHARACTER SET utf8mb4")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop the database `name` (`stream…`) where it exists."""
        self._execute(f"DROP DATABASE IF EXISTS {_checked(name)}")

    @property
    def files(self) -> Path:
        """The folder that the server may read and write files in (LOAD DATA INFILE)."""
        return self.folder / "files"

    def _url(self, account: str, database: str) -> str:
        password = self._passwords[account]
        return f"mysql+pymysql://{account}:{password}@{self.host}:{self.port}/{database}?charset=utf8mb4"

    def _execute(self, statement: str) -> None:
        with self._cursor(ACCOUNT) as cursor:
            cursor.execute(statement)

    @contextmanager
    def _cursor(self, account: str) -> Iterator[Cursor]:
        connection = pymysql.connect(
            host=self.host,
            port=self.port,
            user=account,
            password=self._passwords[account],
            connect_timeout=10,
            autocommit=True,
        )
        with connection, connection.cursor() as cursor:
            yield cursor

    @cached_property
    def _passwords(self) -> dict[str, str]:
        """The accounts' passwords: random, made once for the folder, readable by us alone."""
        file = self.folder / "passwords.json"
        if not file.exists():
            # Of characters that need no escaping in SQL, URLs and option files.
            made = {account: secrets.token_urlsafe(24) for account in (ADMIN, ACCOUNT)}
            write_private(file, json.dumps(made))
        passwords: dict[str, str] = json.loads(file.read_text())
        return passwords

    @property
    def _accounts_file(self) -> Path:
        """The statements that make the accounts: there until the first start has run them, perhaps twice."""
        return self.folder / "accounts.sql"

    @property
    def _temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _is_initialised(self) -> bool:
        return (self.folder / "initialised").exists()

    def _prepare(self) -> None:
        self.files.mkdir(exist_ok=True)
        self._temporary.mkdir(exist_ok=True)
        if not self._is_initialised():
            shutil.rmtree(self._data, ignore_errors=True)  # of a copy that was cut off
            shutil.copytree(self._fresh_data(), self._data)
            write_private(self._accounts_file, self._account_statements())
            (self.folder / "initialised").touch()

    def _fresh_data(self) -> Path:
        """Return a data folder with system tables and nothing else, made once for all servers of this program."""

        def build(folder: Path) -> str:
            self._initialise(folder / "data")
            return version

        version = self._program().name.removeprefix(f"{self.flavour}-")
        return part(f"fresh-{self.flavour}", build, version) / "data"

    @abstractmethod
    def _program(self) -> Path:
        """Return the folder with the server's programs; its name says which they are. Raises UnavailableError."""

    @abstractmethod
    def _initialise(self, data: Path) -> None:
        """Make the system tables in an empty data folder."""

    def _account_statements(self) -> str:
        passwords = self._passwords
        return (
            # Fresh, it has no password (MySQL) or lets in whoever owns the socket (MariaDB).
            f"ALTER USER root@localhost IDENTIFIED BY '{secrets.token_urlsafe(24)}';\n"
            f"CREATE USER IF NOT EXISTS {ADMIN}@'%' IDENTIFIED BY '{passwords[ADMIN]}';\n"
            f"GRANT ALL ON *.* TO {ADMIN}@'%' WITH GRANT OPTION;\n"
            f"CREATE USER IF NOT EXISTS {ACCOUNT}@'%' IDENTIFIED BY '{passwords[ACCOUNT]}';\n"
            f"GRANT {RIGHTS} ON `stream%`.* TO {ACCOUNT}@'%';\n"
        )

    def _options(self) -> list[str]:
        settings = {
            **SETTINGS,
            "bind-address": self.host,
            "port": str(self.port),
            "datadir": str(self._data),
            "tmpdir": str(self._temporary),
            # Relative to the data folder: an absolute path may exceed the 107 bytes that sockets have.
            "socket": "server.sock",
            "pid-file": "server.pid",
            "secure-file-priv": str(self.files),
        }
        if self._accounts_file.exists():
            settings["init-file"] = str(self._accounts_file)
        return [*self._user_option(), *(f"--{name}={value}" for name, value in settings.items())]

    def _user_option(self) -> list[str]:
        """Both refuse to run as root unless told to."""
        return ["--user=root"] if os.geteuid() == 0 else []

    def _answers(self) -> bool:
        try:
            for account in (ADMIN, ACCOUNT):
                with self._cursor(account) as cursor:
                    cursor.execute("SELECT 1")
        except pymysql.MySQLError:
            return False
        self._accounts_file.unlink(missing_ok=True)
        return True

    def _client_options(self) -> Path:
        """Write the option file for client programs and return its path."""
        options = {"host": self.host, "port": self.port, "user": ADMIN, "password": self._passwords[ADMIN]}
        lines = [f"{name}={value}" for name, value in options.items()]
        file = self.folder / "client.cnf"
        write_private(file, "\n".join(["[client]", "protocol=tcp", *self.client_settings, *lines, ""]))
        return file


def write_private(file: Path, text: str) -> None:
    """Write `text` to `file`, which nobody else can read at any moment."""
    growing = file.with_suffix(f"{file.suffix}.new")
    growing.unlink(missing_ok=True)
    growing.touch(mode=0o600)
    growing.write_text(text)
    growing.replace(file)


def _checked(name: str) -> str:
    if not DATABASE_NAME.fullmatch(name):
        raise ServerError(f"{name!r} is no database that `{ACCOUNT}` may make: use {DATABASE_NAME.pattern}.")
    return name
