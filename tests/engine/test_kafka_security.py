"""TLS, logins and rights of Kafka: each refusal has a reason, and says what to do. On a broker of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from deploy.local import Kafka, start_kafka
from stream import settings as config
from stream.errors import KafkaUnavailable, Trouble
from stream.kafka import brokers as brokers_module
from stream.kafka import groups
from stream.kafka.brokers import Brokers
from stream.kafka.ranges import RangeSource
from stream.kafka.source import Source
from stream.records import Range
from tests.certificates import write_certificates
from tests.commands import run_command
from tests.waiting import wait_for

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required user_stream=right user_reader=right;"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("security")
    write_certificates(made)
    return made


@pytest.fixture(scope="module")
def guarded(folder: Path) -> Iterator[Kafka]:
    """A broker that serves in the clear, with TLS, and whoever logs in; `reader` may read topics, in no group."""
    listeners = {"TLS": "SSL", "LOGIN": "SASL_PLAINTEXT"}
    overrides: dict[str, Any] = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "server.pem"),
        "listener.name.login.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.login.plain.sasl.jaas.config": PLAIN,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:stream",
    }
    with start_kafka(folder / "kafka", is_brief=True, listeners=listeners, **overrides) as server:
        assert (
            run_command({"STREAM_KAFKA_BOOTSTRAP_SERVERS": server.bootstrap_servers}, "topics", "create").returncode
            == 0
        )
        yield server


def settings(guarded: Kafka, folder: Path, listener: str = "LOGIN", **properties: str) -> dict[str, str]:
    """The environment of somebody who does all as they must, but for these properties."""
    right = {
        "CLIENT": {"bootstrap_servers": guarded.bootstrap_servers},
        "TLS": {"security_protocol": "SSL", "ssl_ca_location": str(folder / "ca.pem")},
        "LOGIN": {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_username": "stream",
            "sasl_password": "right",
        },
    }[listener]
    address = guarded.bootstrap_servers if listener == "CLIENT" else guarded.address(listener)
    given = {"bootstrap_servers": address, **right, **properties}
    return {f"STREAM_KAFKA_{name.upper()}": text for name, text in given.items() if text}


IN_THE_CLEAR = {"security_protocol": "PLAINTEXT"}
WITH_TLS = {"security_protocol": "SSL"}


@pytest.mark.parametrize(
    ("listener", "wrong", "trouble"),
    [
        ("TLS", {}, None),
        ("LOGIN", {}, None),
        ("TLS", {"ssl_ca_location": "other-ca.pem"}, Trouble.KAFKA_TLS),
        ("TLS", IN_THE_CLEAR, Trouble.KAFKA_PROTOCOL),
        ("LOGIN", IN_THE_CLEAR, Trouble.KAFKA_PROTOCOL),
        ("CLIENT", WITH_TLS, Trouble.KAFKA_PROTOCOL),
        ("LOGIN", {"sasl_password": "wrong"}, Trouble.KAFKA_LOGIN_REFUSED),
        ("LOGIN", {"sasl_mechanism": "SCRAM-SHA-256"}, Trouble.KAFKA_LOGIN_REFUSED),
    ],
)
def test_a_refusal_has_a_reason(
    guarded: Kafka,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    listener: str,
    wrong: dict[str, str],
    trouble: Trouble | None,
) -> None:
    monkeypatch.setattr(brokers_module, "REQUEST_TIMEOUT_SECONDS", 1.5)  # a login that is refused takes 0.3 s
    files = {name: str(folder / text) if name.endswith("location") else text for name, text in wrong.items()}
    brokers = Brokers(config.load(settings(guarded, folder, listener, **files)).required_kafka())
    if trouble is None:
        assert brokers.describe(["trip"]).readable
        return
    with pytest.raises(KafkaUnavailable) as refused:
        brokers.describe(["trip"])
    assert refused.value.reason is trouble
    assert trouble in str(refused.value)


def test_a_command_that_waiting_can_not_help_ends_with_78(guarded: Kafka, folder: Path) -> None:
    done = run_command(settings(guarded, folder, sasl_password="wrong"), "topics", "create")
    assert done.returncode == 78
    assert Trouble.KAFKA_LOGIN_REFUSED.note in done.stderr
    done = run_command(settings(guarded, folder, "TLS", ssl_ca_location="/nowhere.pem"), "topics", "create")
    assert done.returncode == 78
    assert "STREAM_KAFKA_SSL_CA_LOCATION: the file can't be read (No such file or directory)" in done.stderr


def joining(source: Source) -> list[str]:
    """Have a source join its group; the list that the topics it is given come into."""
    given: list[str] = []
    source.subscribe(
        ["trip"],
        on_assign=lambda partitions: given.extend(each.topic for each in partitions),
        on_revoke=lambda _: None,
        on_lost=lambda _: None,
    )
    return given


def test_a_password_that_is_renewed_in_its_file_is_taken(guarded: Kafka, folder: Path) -> None:
    password = folder / "password"
    password.write_text("wrong")
    given = settings(guarded, folder, sasl_password="", sasl_password_file=str(password))
    source = Source(config.load(given).required_kafka(), "renewed")
    try:
        assigned = joining(source)
        wait_for(lambda: source.poll(1, 0.1) == {} and source.trouble is not None, "the login to be refused")
        assert (source.trouble or "").startswith("kafka_login_refused")
        with pytest.raises(KafkaUnavailable):
            groups.group(source.brokers, "renewed")
        password.write_text("right\n")
        wait_for(lambda: source.poll(1, 0.1) == {} and bool(assigned), "the group to let it in")
        assert source.trouble is None
        assert groups.group(source.brokers, "renewed").members
    finally:
        source.close()


def test_a_replay_takes_a_password_that_is_renewed_while_it_reads(guarded: Kafka, folder: Path) -> None:
    password = folder / "password"
    password.write_text("wrong")
    given = settings(guarded, folder, sasl_password="", sasl_password_file=str(password))
    begin = Range("trip", 0, "the topic's id", 0, 1)
    source = RangeSource(
        config.load(given).required_kafka(), "replay:1", [begin], holds=lambda _: True, is_held_back=lambda: False
    )
    try:
        source.fetch({begin.topic_partition: 0}, [begin.topic_partition])
        wait_for(lambda: source.poll(1, 0.1) == {} and source.trouble is not None, "the login to be refused")
        password.write_text("right\n")
        wait_for(lambda: begin.topic_partition in source.poll(1, 0.1), "the partition's end")
    finally:
        source.close()


def allow(guarded: Kafka, kind: ResourceType, name: str) -> None:
    """Have `reader` read a topic, or be in a group."""
    literal, anywhere, allowed = ResourcePatternType.LITERAL, "*", AclPermissionType.ALLOW
    binding = AclBinding(kind, name, literal, "User:reader", anywhere, AclOperation.READ, allowed)
    admin = AdminClient({"bootstrap.servers": guarded.bootstrap_servers})
    for future in admin.create_acls([binding]).values():
        future.result()


def test_a_group_that_is_denied_is_told_until_it_is_allowed(guarded: Kafka, folder: Path) -> None:
    """And docs/rights.md is right: Read is all that a consumer needs, of its topics and its group."""
    allow(guarded, ResourceType.TOPIC, "trip")
    source = Source(config.load(settings(guarded, folder, sasl_username="reader")).required_kafka(), "denied")
    try:
        assigned = joining(source)
        wait_for(lambda: bool(source.poll(1, 0.1)) or source.trouble is not None, "the refusal")
        assert (source.trouble or "").startswith("kafka_access_denied")
        allow(guarded, ResourceType.GROUP, "denied")
        wait_for(lambda: bool(source.poll(1, 0.1)) or bool(assigned), "the group to let it in")
        assert source.trouble is None
        assert groups.group(source.brokers, "denied").members
        assert source.brokers.logs(["trip"])
    finally:
        source.close()
