"""A flood of broken records rests its topic for a while: the others go on, nothing is dropped, nothing crashes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stream.catalog import STREAMS
from stream.engine import assignment
from tests.balance import assert_drained
from tests.broker import Broker
from tests.consumers import Running
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import applied, wait_applied
from tests.events import encode, pass_logged, trip, uuid_text
from tests.waiting import measure, wait_for

Rest = Callable[[float], None]


@pytest.fixture
def rest(monkeypatch: pytest.MonkeyPatch) -> Rest:
    """Let topics rest for so many seconds, and not for a minute: nobody needs a setting for it but tests."""
    return lambda seconds: monkeypatch.setattr(assignment, "SUSPENDED_SECONDS", seconds)


def put_broken(broker: Broker, count: int, first: int = 1) -> None:
    """Records of trips, in all partitions, that are no Avro at all."""
    broker.put(("trip", str(n).encode(), uuid_text(n).encode()) for n in range(first, first + count))


def put_trips(broker: Broker, count: int) -> None:
    broker.put(
        ("trip", str(n).encode(), encode("TripRecorded", trip(trip_id=n, event_id=uuid_text(n))))
        for n in range(1, count + 1)
    )


def assert_says_that_trip_rests(consumer: Running) -> None:
    line = consumer.wait_logged("topic suspended")
    assert (line["topic"], line["reason"], line["level"]) == ("trip", "unknown_framing", "error")
    assert "stream dead-letters list" in line["todo"]
    status, body = consumer.get("/readyz")
    rests = [f"trip/{n} rests: flood_of_unknown_framing" for n in range(STREAMS["trip"].partitions)]
    suspended = consumer.metric("stream_partitions_suspended", topic="trip", reason="flood_of_unknown_framing")
    assert suspended == len(rests)
    assert (status, sorted(body.splitlines())) == (503, rests)
    assert consumer.get("/livez")[0] == 200
    assert consumer.metric("stream_floods_total", topic="trip", reason="unknown_framing") == 1


def test_a_flood_rests_one_topic_which_goes_on_by_itself(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService, rest: Rest
) -> None:
    rest(6)
    consumer = start_service()
    consumer.wait_ready()
    put_broken(broker, 600)
    assert_says_that_trip_rests(consumer)
    put_trips(broker, 50)
    broker.publish([("BytemarkPassLogged", pass_logged(bytemark_pass_id=n)) for n in range(1, 21)])
    wait_for(lambda: mysql.count("bytemark_pass") == 20, "the other topic's records")
    assert mysql.count("trip") == 0
    assert "trip/0 rests" in consumer.get("/readyz")[1]
    measure(lambda: applied(mysql) == 600 + 50 + 20, "a topic's records after it rested for 6 s, at most")
    consumer.wait_ready()
    assert consumer.logged("partition reads again")[0]["rested_for"] == "flood_of_unknown_framing"
    assert consumer.metric("stream_floods_total") == 1
    assert mysql.count("dead_letter") == 600
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_a_flood_that_does_not_end_rests_again_and_again_and_drops_nothing(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService, rest: Rest
) -> None:
    put_broken(broker, 3000)
    put_trips(broker, 100)
    rest(0.5)
    consumer = start_service(batch_records_max=100)
    wait_applied(mysql, 3100)
    assert consumer.metric("stream_floods_total") >= 3
    assert consumer.is_running
    consumer.wait_ready()
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])


def test_runs_until_caught_up_end_with_75_while_a_flood_lasts_and_keep_everything(
    broker: Broker, mysql: Database, stream_settings: dict[str, str], start_service: StartService
) -> None:
    """A restarted process begins anew, so each run keeps some hundred more."""
    put_broken(broker, 2000)
    broker.publish([("BytemarkPassLogged", pass_logged(bytemark_pass_id=n)) for n in range(1, 21)])
    codes, before = [75], -1
    while codes[-1] == 75:
        assert applied(mysql) > before, "a run changed nothing"
        before = applied(mysql)
        codes.append(start_service("--until-caught-up", batch_records_max=200).wait())
        assert mysql.count("bytemark_pass") == 20, "the other topic's records are not held up"
    assert codes[-1] == 0
    assert len(codes) > 2, "the flood was to last for several runs"
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])
