"""The local servers: they start, die, come back with their data, and the databases want a password."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pymysql
import pytest
import sqlalchemy as sa
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from deploy.local import Database, Kafka, Registry, ServerError
from deploy.local.processes import Process

ACCESS_DENIED = {1044, 1045, 1142, 1227, 1698}


def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run `statements` in one connection and return the rows of the last."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            result = connection.execute(sa.text(statement))
        rows = [tuple(row) for row in result] if result.returns_rows else []
        connection.commit()
    return rows


def refusal(url: str, statement: str) -> int:
    """Return the number of the error with which the server refuses `statement`."""
    with pytest.raises(sa.exc.DBAPIError) as caught:
        execute(url, statement)
    assert caught.value.orig is not None
    return int(caught.value.orig.args[0])


def test_database_keeps_rows_through_a_kill(database: Database) -> None:
    url = database.create_database("stream_kill")
    execute(url, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (7)")
    port, pid = database.port, database.pid

    database.kill()
    assert not database.is_running()
    database.start()

    assert (database.port, database.pid != pid) == (port, True)
    assert execute(url, "SELECT id FROM t") == [(7,)]
    database.drop_database("stream_kill")


def test_database_killed_by_others_is_started_again(mariadb: Database) -> None:
    process = Process.of(mariadb.pid)
    assert process.send(signal.SIGKILL)
    assert process.wait(5)
    assert not mariadb.is_running()
    mariadb.start()
    assert execute(mariadb.admin_url(), "SELECT 1") == [(1,)]


def test_database_is_the_flavour_and_version_that_it_says(database: Database) -> None:
    [(version,)] = execute(database.admin_url(), "SELECT VERSION()")
    assert str(version).startswith(database.version)
    assert ("MariaDB" in str(version)) == (database.flavour == "mariadb")


@pytest.mark.parametrize("account", ["root", "admin", "stream"])
def test_no_account_gets_in_without_its_password(database: Database, account: str) -> None:
    for password in ("", "wrong"):
        with pytest.raises(pymysql.err.OperationalError) as caught:
            pymysql.connect(host="127.0.0.1", port=database.port, user=account, password=password)
        assert caught.value.args[0] in ACCESS_DENIED


def test_ordinary_account_is_confined_to_its_databases(database: Database) -> None:
    url = database.create_database("stream_confined")
    execute(
        url,
        "CREATE TABLE t (id INT PRIMARY KEY, n INT, INDEX (n))",
        "CREATE VIEW v AS SELECT id FROM t",
        "ALTER TABLE t ADD COLUMN more INT",
        "CREATE DATABASE stream_confined_too",
        "DROP DATABASE stream_confined_too",
    )
    for forbidden in ("CREATE DATABASE other", "SELECT * FROM mysql.user", "SET GLOBAL max_connections = 5"):
        assert refusal(url, forbidden) in ACCESS_DENIED
    database.drop_database("stream_confined")


def test_admin_may_change_settings_and_kill_connections(database: Database) -> None:
    engine = sa.create_engine(database.url(""), poolclass=sa.NullPool)
    with engine.connect() as victim:
        number = victim.execute(sa.text("SELECT CONNECTION_ID()")).scalar_one()
        execute(database.admin_url(), f"KILL {number}", "SET GLOBAL wait_timeout = 28800")
        with pytest.raises(sa.exc.OperationalError):
            victim.execute(sa.text("SELECT 1"))


def test_only_names_that_begin_with_stream_are_made(database: Database) -> None:
    for name in ("other", "stream`", "stream; DROP DATABASE mysql"):
        with pytest.raises(ServerError):
            database.create_database(name)


def test_dump_client_connects_without_a_password_on_its_command_line(database: Database) -> None:
    url = database.create_database("stream_dump")
    execute(url, "CREATE TABLE dumped (id INT PRIMARY KEY)")
    command = [*database.client("mysqldump"), "--single-transaction", "stream_dump"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "CREATE TABLE `dumped`" in done.stdout) == (0, True), done.stderr
    assert not any(word.startswith(("-p", "--password")) for word in command)
    database.drop_database("stream_dump")


def test_files_load_from_the_allowed_folder_alone(database: Database, tmp_path: Path) -> None:
    url = database.create_database("stream_files")
    execute(url, "CREATE TABLE t (id INT PRIMARY KEY)")
    for folder, number in ((database.files, 1), (tmp_path, 2)):
        folder.joinpath("rows.txt").write_text(f"{number}\n")
    load = "LOAD DATA INFILE '{}/rows.txt' INTO TABLE t"
    execute(database.admin_url("stream_files"), load.format(database.files))
    assert refusal(database.admin_url("stream_files"), load.format(tmp_path)) == 1290
    assert execute(url, "SELECT id FROM t") == [(1,)]
    database.drop_database("stream_files")


def test_secrets_are_readable_by_their_owner_alone(database: Database) -> None:
    database.client("mysql")
    for name in ("passwords.json", "client.cnf"):
        assert database.folder.joinpath(name).stat().st_mode & 0o077 == 0
    password = sa.make_url(database.url("")).password
    assert password
    assert password not in Path(f"/proc/{database.pid}/cmdline").read_text()
    assert not database.folder.joinpath("accounts.sql").exists()


def test_a_brokers_java_takes_up_the_archive_that_hastens_a_start(kafka: Kafka) -> None:
    """One that doesn't fit it would pass over it without a word."""
    assert f"kafka-{kafka.version}.aot" in Path(f"/proc/{kafka.pid}/maps").read_text()


def test_broker_keeps_records_through_a_kill(kafka: Kafka) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(10)
    value = b"x" * 2_000_000
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "message.max.bytes": 8_000_000, "log_level": 0})
    producer.produce("kept", value)
    assert producer.flush(10) == 0
    pid = kafka.pid

    kafka.kill()
    kafka.start()

    assert kafka.pid != pid
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": "g", "enable.auto.commit": False})
    consumer.assign([TopicPartition("kept", 0, 0)])
    record = consumer.poll(20)
    consumer.close()
    assert record is not None
    assert record.value() == value


def test_broker_takes_overrides_and_makes_no_topic_unasked(kafka: Kafka) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    [described] = admin.describe_configs([ConfigResource(ResourceType.BROKER, "1")]).values()
    configuration = described.result(10)
    assert configuration["log.retention.ms"].value == "1234567"
    assert configuration["auto.create.topics.enable"].value == "false"


def test_a_running_server_is_not_started_twice(mariadb: Database) -> None:
    with pytest.raises(ServerError, match="running already"):
        mariadb.start()
    with pytest.raises(ServerError, match="running already"):
        type(mariadb)(mariadb.folder).start()


def test_registry_keeps_schemas_and_their_ids_through_a_kill(registry: Registry) -> None:
    def client() -> SchemaRegistryClient:
        return SchemaRegistryClient({"url": registry.url, "max.retries": 0})

    with client() as before:
        schema_id = before.register_schema("thing", Schema('{"type": "string"}', "AVRO"))
    port, pid = registry.port, registry.pid
    registry.kill()
    registry.start()
    assert (registry.port, registry.pid != pid) == (port, True)
    with client() as after:
        assert after.get_schema(schema_id).schema_str == '"string"'
        assert after.register_schema("other", Schema('{"type": "long"}', "AVRO")) != schema_id


def test_everything_listens_on_loopback_alone(
    kafka: Kafka, mysql: Database, mariadb: Database, registry: Registry
) -> None:
    inodes = {inode for server in (kafka, mysql, mariadb, registry) for inode in _sockets(server.pid)}
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = {fields[1].split(":")[0] for fields in listening if fields[3] == "0A" and fields[9] in inodes}
    assert addresses == {"0100007F"}  # 127.0.0.1 as the kernel writes it
    six = [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    assert not [fields for fields in six if fields[3] == "0A" and fields[9] in inodes]


def _sockets(pid: int) -> set[str]:
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:")}


def test_server_dies_with_a_program_that_is_killed(tmp_path: Path) -> None:
    # Started by a thread that ends at once, which must not end the server (the kernel's leash is a thread's).
    program = (
        "import sys, threading, time; from pathlib import Path; from deploy.local import start_mariadb\n"
        "servers = []\n"
        "thread = threading.Thread(target=lambda: servers.append(start_mariadb(Path(sys.argv[1]))))\n"
        "thread.start(); thread.join(); time.sleep(0.3)\n"
        "print(servers[0].pid if servers[0].is_running() else 0, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server = Process.of(int(parent.stdout.readline()))
        assert server.is_alive()
        parent.send_signal(signal.SIGKILL)
    assert server.wait(5)


def test_server_that_cannot_start_says_why_and_leaves_nothing(kafka: Kafka, tmp_path: Path) -> None:
    broken = Kafka(tmp_path, {"num.network.threads": "none"})
    begun = time.monotonic()
    with pytest.raises(ServerError, match=r"num\.network\.threads"):
        broken.start()
    assert not broken.is_running()
    assert time.monotonic() - begun < 30
