"""Settings: what is understood, what is refused, and that no message ever shows a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.errors import ConfigurationError
from stream.mysql.progress import REDRIVE_GROUP_ID
from stream.mysql.replay_runs import GROUP_PREFIX
from stream.settings import KAFKA_SECRETS, SECRETS, Settings, load, setting_names

MARKER = "s3cr3t-marker"


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(environment)
    return str(refused.value)


def test_nothing_set_gives_the_documented_defaults() -> None:
    settings = load({})
    assert (settings.group_id, settings.lanes, settings.batch_records_max, settings.linger_ms) == (
        "stream",
        2,
        10_000,
        50,
    )
    assert settings.dead_letter_ratio_max == 0.2
    assert settings.database_url is None
    assert settings.kafka == {}


def test_other_programs_variables_are_left_alone() -> None:
    assert load({"PATH": "/bin", "STREAMER": "x"}) == load({})


@pytest.mark.parametrize(
    ("name", "near"),
    [("STREAM_LANE", "STREAM_LANES"), ("STREAM_BATCH_RECORD_MAX", "STREAM_BATCH_RECORDS_MAX"), ("STREAM_XYZZY", None)],
)
def test_an_unknown_setting_is_refused_and_the_near_one_named(name: str, near: str | None) -> None:
    message = refusal({name: MARKER})
    assert f"{name} is no setting" in message
    assert near is None or f"did you mean {near}?" in message
    assert MARKER not in message


@pytest.mark.parametrize(
    "name", ["STREAM_LANES", "STREAM_BATCH_RECORDS_MAX", "STREAM_LINGER_MS", "STREAM_HTTP_PORT", "STREAM_LOG_FORMAT"]
)
def test_a_value_that_is_none_is_refused_without_being_shown(name: str) -> None:
    message = refusal({name: MARKER})
    assert name in message
    assert MARKER not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STREAM_LANES", "0"),
        ("STREAM_LANES", "33"),
        ("STREAM_BATCH_RECORDS_MAX", "0"),
        ("STREAM_BATCH_RECORDS_MAX", "100001"),
        ("STREAM_LINGER_MS", "0"),
        ("STREAM_HTTP_PORT", "65536"),
        ("STREAM_GROUP_ID", ""),
        ("STREAM_DEAD_LETTER_RATIO_MAX", "0"),
        ("STREAM_DEAD_LETTER_RATIO_MAX", "1.1"),
        ("STREAM_DEAD_LETTER_RATIO_MAX", "nan"),
        ("STREAM_GROUP_ID", "g" * 256),
        ("STREAM_GROUP_ID", REDRIVE_GROUP_ID),
        ("STREAM_GROUP_ID", f"{GROUP_PREFIX}x"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: str) -> None:
    assert name in refusal({name: value})


@pytest.mark.parametrize("name", ["x" * 250, "pod 0", "pod/0", "pödchen", ".", ".."])
def test_a_name_in_the_group_that_kafka_would_not_take_is_refused(name: str) -> None:
    message = refusal({"STREAM_KAFKA_GROUP_INSTANCE_ID": name})
    assert message.startswith("STREAM_KAFKA_GROUP_INSTANCE_ID: ")
    assert "1 to 249" in message


@pytest.mark.parametrize("name", ["x" * 249, "stream-0", "a.b_c", "...", ""])
def test_a_name_in_the_group_is_passed_on(name: str) -> None:
    assert load({"STREAM_KAFKA_GROUP_INSTANCE_ID": name}).kafka == {"group.instance.id": name}


def test_every_fault_is_named_at_once() -> None:
    message = refusal({"STREAM_LANES": "0", "STREAM_LINGER_MS": "x", "STREAM_NONSENSE": "1"})
    assert all(name in message for name in ("STREAM_LANES", "STREAM_LINGER_MS", "STREAM_NONSENSE"))


def test_kafka_properties_are_passed_on_with_dots() -> None:
    settings = load(
        {
            "STREAM_KAFKA_BOOTSTRAP_SERVERS": "broker:9092",
            "STREAM_KAFKA_SASL_OAUTHBEARER_CLIENT_ID": "me",
            "STREAM_KAFKA_LOG_LEVEL": "3",
        }
    )
    assert settings.required_kafka() == {
        "bootstrap.servers": "broker:9092",
        "sasl.oauthbearer.client.id": "me",
        "log_level": "3",
    }


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_each_secret_can_come_from_a_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{MARKER}\n")
    settings = load({f"STREAM_{name}_FILE": str(file)})
    assert getattr(settings, name.lower()).get_secret_value() == MARKER


@pytest.mark.parametrize("name", sorted(KAFKA_SECRETS))
def test_each_secret_of_kafka_can_come_from_a_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(MARKER)
    settings = load({f"STREAM_KAFKA_{name.replace('.', '_').upper()}_FILE": str(file)})
    assert settings.kafka == {name: MARKER}


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    message = refusal({"STREAM_HASH_KEY": MARKER, "STREAM_HASH_KEY_FILE": str(tmp_path)})
    assert "STREAM_HASH_KEY_FILE" in message
    assert MARKER not in message


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_secrets_file_that_cannot_be_read_is_refused(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    assert "STREAM_HASH_KEY_FILE" in refusal({"STREAM_HASH_KEY_FILE": str(file)})


def test_what_is_no_secret_has_no_file_form(tmp_path: Path) -> None:
    assert "STREAM_LANES_FILE is no setting" in refusal({"STREAM_LANES_FILE": str(tmp_path)})


def test_secrets_are_not_shown_when_settings_are_printed() -> None:
    settings = load({"STREAM_DATABASE_URL": f"mysql+pymysql://u:{MARKER}@h/d", "STREAM_HASH_KEY": MARKER})
    assert MARKER not in repr(settings)
    assert MARKER not in str(settings)


def test_secrets_of_kafka_are_not_shown_when_settings_are_printed() -> None:
    assert MARKER not in repr(load({"STREAM_KAFKA_SASL_PASSWORD": MARKER}))


def test_what_is_needed_and_missing_is_said() -> None:
    settings = load({})
    with pytest.raises(ConfigurationError, match="STREAM_DATABASE_URL is not set"):
        settings.required_database_url()
    with pytest.raises(ConfigurationError, match="STREAM_KAFKA_BOOTSTRAP_SERVERS is not set"):
        settings.required_kafka()


def test_kafka_itself_is_no_setting() -> None:
    assert "STREAM_KAFKA is no setting" in refusal({"STREAM_KAFKA": "x"})


def test_settings_are_few_and_each_is_described() -> None:
    assert len(setting_names()) <= 20
    assert all(field.description for field in Settings.model_fields.values())


def test_a_secret_in_a_file_is_read_again_whenever_it_is_asked_for(tmp_path: Path) -> None:
    """While there is none the first one counts."""
    url, password = tmp_path / "url", tmp_path / "password"
    url.write_text("mysql://first")
    password.write_text("first")
    settings = load(
        {
            "STREAM_DATABASE_URL_FILE": str(url),
            "STREAM_KAFKA_SASL_PASSWORD_FILE": str(password),
            "STREAM_KAFKA_BOOTSTRAP_SERVERS": "broker:9092",
        }
    )
    kafka = settings.required_kafka()
    url.write_text("mysql://second\n")
    password.write_text("second")
    assert settings.required_database_url() == "mysql://second"
    assert {**kafka} == {"sasl.password": "second", "bootstrap.servers": "broker:9092"}
    url.unlink()
    password.write_text("")
    assert settings.required_database_url() == "mysql://first"
    assert kafka["sasl.password"] == "first"
