"""The edge to a schema registry, on a real one: what it is asked, what is registered, and what its faults become."""

from __future__ import annotations

import copy
import itertools
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from deploy.local import Registry as RegistryServer
from stream.errors import ConfigurationError, RegistryUnavailable, TerminalError
from stream.operate.check import ids_finding
from stream.schemas import registry as edge
from stream.schemas.compatibility import incompatibilities
from stream.schemas.registry import COMPATIBILITY, Registry, subject_of
from stream.schemas.store import SchemaStore
from stream.schemas.version import SchemaVersion
from tests.commands import run_command
from tests.proxy import SlowProxy

NUMBERS = itertools.count(1)
STORE = SchemaStore()
SOURCE = STORE.newest("trip", "TripRated").source


@pytest.fixture
def registry(registry_server: RegistryServer) -> Iterator[Registry]:
    with Registry(registry_server.url) as client:
        yield client


@pytest.fixture
def versions() -> Callable[..., list[SchemaVersion]]:
    """Versions of a record under a subject that nobody else uses: our own, and each edit of the one before."""

    def make(*edits: Callable[[dict[str, Any]], None]) -> list[SchemaVersion]:
        topic = f"topic-{next(NUMBERS)}"
        made = [SchemaVersion(topic, "TripRated", 1, SOURCE)]
        for number, edit in enumerate(edits, 2):
            source = copy.deepcopy(made[-1].source)
            edit(source)
            made.append(SchemaVersion(topic, "TripRated", number, source))
        return made

    return make


Versions = Callable[..., list[SchemaVersion]]


def add_field(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "weather", "type": "string", "default": "fair"})


def add_required_field(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "weather", "type": "string"})


def narrow_a_field(schema: dict[str, Any]) -> None:
    next(field for field in schema["fields"] if field["name"] == "rating_id")["type"] = "int"


def test_all_versions_are_registered_once_and_keep_their_ids(registry: Registry, versions: Versions) -> None:
    ours = versions(add_field)
    would = registry.register(ours, is_dry_run=True)
    assert [(row.version, row.schema_id, row.state) for row in would] == [
        ("TripRated.v1", None, "would be registered"),
        ("TripRated.v2", None, "would be registered"),
    ]
    assert registry.ids(ours) == {}, "a dry run changes nothing"
    first = registry.register(ours)
    again = registry.register(ours)
    assert [row.state for row in (*first, *again)] == ["registered"] * 2 + ["was registered"] * 2
    assert [row.schema_id for row in first] == [row.schema_id for row in again]
    assert first[0].schema_id != first[1].schema_id
    assert registry.compatibility_of(subject_of(ours[0])) == COMPATIBILITY
    assert registry.ids(ours) == {row.schema_id: version.file_name for row, version in zip(first, ours, strict=True)}
    assert json.loads(registry.schema(first[1].schema_id or 0) or "")["fields"][-1]["name"] == "weather"


@pytest.mark.parametrize("edit", [add_field, add_required_field, narrow_a_field])
def test_we_and_the_registry_agree_on_what_is_compatible(registry: Registry, versions: Versions, edit: Any) -> None:
    before, after = versions(edit)
    registry.register([before])
    is_compatible = incompatibilities(before.source, after.source) == []
    assert registry.takes(after) is is_compatible
    if is_compatible:
        registry.register([after])
    else:
        with pytest.raises(TerminalError, match=r"refuses TripRated\.v2"):
            registry.register([after])
        assert registry.id_of(after) is None


def test_a_subject_of_another_level_is_set_right(
    registry: Registry, registry_server: RegistryServer, versions: Versions
) -> None:
    ours = versions()
    registry.register(ours)
    with SchemaRegistryClient({"url": registry_server.url}) as client:
        client.set_compatibility(subject_of(ours[0]), "NONE")
    registry.register(ours)
    assert registry.compatibility_of(subject_of(ours[0])) == COMPATIBILITY


@pytest.mark.parametrize("schema_id", [0, 99_999, 2**31 - 1, 2**31, 2**32 - 1])
def test_an_id_that_nobody_gave_is_unknown(registry: Registry, schema_id: int) -> None:
    assert registry.schema(schema_id) is None


def test_an_id_that_no_registry_could_give_is_not_asked_for() -> None:
    with Registry("http://127.0.0.1:1") as unreachable:
        assert unreachable.schema(2**31) is None


def test_what_is_no_avro_is_no_schema_of_ours(registry: Registry, registry_server: RegistryServer) -> None:
    with SchemaRegistryClient({"url": registry_server.url}) as client:
        schema_id = client.register_schema(
            "some-json", Schema('{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}', "JSON")
        )
    assert registry.schema(schema_id) == ""


def test_a_url_that_leads_elsewhere_makes_no_id_unknown(registry_server: RegistryServer) -> None:
    """A bare 404 is the environment's fault: taken for an unknown id, it would reject everything."""
    url = registry_server.url.replace("ccompat", "elsewhere")
    with Registry(url) as lost, pytest.raises(RegistryUnavailable) as failed:
        lost.schema(1)
    assert failed.value.reason == "registry_failing"


@pytest.mark.parametrize("url", ["localhost:8081", "http://[", "http://here:port", "http://a:1,b"])
def test_a_url_that_is_none_is_a_matter_of_configuration(url: str) -> None:
    with pytest.raises(ConfigurationError, match="STREAM_SCHEMA_REGISTRY_URL"):
        Registry(url)


def test_a_registry_that_does_not_answer_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "REQUEST_TIMEOUT_SECONDS", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Registry(f"http://127.0.0.1:{silent.getsockname()[1]}") as it,
        pytest.raises(RegistryUnavailable) as failed,
    ):
        it.schema(1)
    assert failed.value.reason == "registry_timeout"


def test_a_registry_that_is_slow_for_a_while_answers_in_the_end(
    registry: Registry, registry_server: RegistryServer, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    (registered,) = registry.register(versions())
    monkeypatch.setattr(edge, "REQUEST_TIMEOUT_SECONDS", 1.0)
    with SlowProxy(registry_server.port) as proxy, Registry(url_by_way_of(proxy, registry_server)) as slow:
        with pytest.raises(RegistryUnavailable) as failed:
            slow.schema(registered.schema_id or 0)
        assert failed.value.reason == "registry_timeout"
        proxy.is_flowing.set()
        assert json.loads(slow.schema(registered.schema_id or 0) or "")["name"] == "TripRated"


def url_by_way_of(proxy: SlowProxy, server: RegistryServer) -> str:
    return server.url.replace(f":{server.port}/", f":{proxy.port}/")


@pytest.mark.parametrize("url", ["http://name:s3cr3t-marker@127.0.0.1:1", "http://127.0.0.1:1/s3cr3t-marker"])
def test_errors_hold_no_secret(url: str) -> None:
    with Registry(url) as unreachable, pytest.raises(RegistryUnavailable) as failed:
        unreachable.schema(1)
    assert failed.value.reason == "registry_unreachable"
    assert "s3cr3t" not in str(failed.value)


def test_what_was_asked_once_outlives_the_registry(
    registry: Registry, registry_server: RegistryServer, versions: Versions
) -> None:
    first, second = registry.register(versions(add_field))
    known = registry.schema(first.schema_id or 0)
    registry_server.kill()
    try:
        assert registry.schema(first.schema_id or 0) == known
        with pytest.raises(RegistryUnavailable) as failed:
            registry.schema(second.schema_id or 0)
        assert failed.value.reason == "registry_unreachable"
    finally:
        registry_server.start()
    assert json.loads(registry.schema(second.schema_id or 0) or "")["fields"][-1]["name"] == "weather"


# The commands.


def test_the_commands_register_everything_once(registry_server: RegistryServer) -> None:
    settings = {"STREAM_SCHEMA_REGISTRY_URL": registry_server.url}
    done = run_command(settings, "schemas", "register", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == len(STORE.versions)
    again = run_command(settings, "schemas", "register", "--format", "json")
    assert {row["state"] for row in json.loads(again.stdout)} == {"was registered"}
    checked = run_command(settings, "schemas", "check", "--format", "json")
    assert checked.returncode == 0, checked.stdout
    areas = [finding["area"] for finding in json.loads(checked.stdout)]
    assert areas.count("schema registry") - 1 == areas.count("compatibility") > 10


def test_an_id_that_means_another_schema_in_the_registry_is_told(registry: Registry) -> None:
    """No registry counts as far as `ids.json` begins; here it is as if one did."""
    ours = [STORE.newest("trip", name) for name in ("TripRated", "TripRecorded")]
    (rated, recorded) = (registry.register([version])[0].schema_id or 0 for version in ours)
    right = {rated: ours[0].file_name, recorded: ours[1].file_name, 2**30: ours[0].file_name}
    assert ids_finding(registry, SchemaStore(ids=right)).is_right
    wrong = ids_finding(registry, SchemaStore(ids={**right, recorded: ours[0].file_name}))
    assert wrong.state == f"{recorded} is trip/TripRated.v1.avsc here, and another schema there"
    assert wrong.todo


def test_without_a_registry_only_the_files_are_compared() -> None:
    checked = run_command({}, "schemas", "check", "--format", "json")
    assert checked.returncode == 0, checked.stderr
    assert {finding["area"] for finding in json.loads(checked.stdout)} == {"compatibility"}
    refused = run_command({}, "schemas", "register")
    assert refused.returncode == 78
    assert "STREAM_SCHEMA_REGISTRY_URL" in refused.stderr


def test_a_registry_that_is_away_is_to_be_tried_later() -> None:
    settings = {"STREAM_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1"}
    for command in ("check", "register"):
        ended = run_command(settings, "schemas", command)
        assert ended.returncode == 75, ended.stderr
        assert "can't be reached" in ended.stderr
