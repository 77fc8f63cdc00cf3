"""What those see who watch: health, metrics and logs in each state, and never a personal value."""

from __future__ import annotations

import json

from tests.broker import PARTITIONS, Broker
from tests.commands import run_command
from tests.conftest import StartConsumer
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import applied, put, synthetic
from tests.events import TOPICS, encode, key_of, pass_logged, rating, trip, uuid_text
from tests.waiting import wait_for

MARKER = "marker-of-a-person"


def test_a_working_consumer_is_live_and_ready_and_counts_what_it_does(
    broker: Broker, mysql: Database, start_service: StartService
) -> None:
    consumer = start_service(quality_minutes=60)
    consumer.wait_ready()
    assert consumer.get("/livez") == (200, "ok\n")
    assert consumer.get("/readyz") == (200, "ok\n")
    put(broker, synthetic(1000, seed=31))
    wait_for(lambda: applied(mysql) == 1000, "all records")
    wait_for(lambda: consumer.metric("stream_lag_records") == 0, "no lag")
    received = consumer.metric("stream_records_received_total")
    by_outcome = [
        consumer.metric("stream_records_total", outcome=one) for one in ("written", "superseded", "dead_lettered")
    ]
    assert received == sum(by_outcome) == 1000
    assert consumer.metric("stream_dead_letters_total") == by_outcome[2] == mysql.count("dead_letter")
    for outcome in ("inserted", "updated", "unchanged", "suppressed"):
        in_ledger = mysql.value(f"SELECT SUM(rows_{outcome}) FROM ledger")
        assert consumer.metric("stream_rows_total", outcome=outcome) == in_ledger
    assert consumer.metric("stream_partitions_assigned") == PARTITIONS
    assert consumer.metric("stream_build_info") == 1
    quality = 'stream_quality_faults_rows{check="points_balance"}'
    wait_for(lambda: quality in consumer.get("/metrics")[1], "the first check of data quality")


def test_a_consumer_that_waits_for_its_claims_is_live_and_not_ready(
    broker: Broker, mysql: Database, start_service: StartService, stream_settings: dict[str, str]
) -> None:
    start_service("--until-caught-up").assert_ends(0)
    with mysql.engine().connect() as other, other.begin():
        other.exec_driver_sql("SELECT * FROM progress WHERE topic = 'trip' AND kafka_partition = 2 FOR UPDATE")
        consumer = start_service()
        wait_for(lambda: "trip/2 claiming" in consumer.get("/readyz")[1], "/readyz to say what is missing")
        assert consumer.get("/readyz")[0] == 503
        assert consumer.get("/livez")[0] == 200
        broker.publish([("BytemarkPassLogged", pass_logged())])
    consumer.wait_ready()
    wait_for(lambda: mysql.count("bytemark_pass") == 1, "the event")


def test_no_personal_value_is_in_logs_metrics_or_health(
    broker: Broker, mysql: Database, start_consumer: StartConsumer, stream_settings: dict[str, str]
) -> None:
    """The marker stands in every text, in keys and headers, in sound events and in all kinds of broken ones."""
    sound = [
        ("TripRecorded", trip(travel_mode=MARKER)),
        ("TripRated", rating(feedback=MARKER)),
        ("BytemarkPassLogged", pass_logged(user_id=MARKER, interaction=MARKER)),
    ]
    broken = [
        ("TripRecorded", trip(travel_mode=MARKER * 9)),
        ("TripRecorded", trip(travel_mode=f" {MARKER}")),
        ("TripRecorded", trip(event_id=MARKER)),
        ("TripRated", rating(feedback=MARKER * 99, event_id=uuid_text(2))),
        ("BytemarkPassLogged", pass_logged(user_id=MARKER * 20)),
    ]
    headers = [("who", MARKER.encode())]
    messages = [(TOPICS[name], key_of(name, datum), encode(name, datum), headers) for name, datum in (*sound, *broken)]
    messages += [
        ("trip", MARKER.encode(), encode("TripRecorded", trip()), headers),
        ("trip", b"11", MARKER.encode(), headers),
        ("trip", b"11", encode("TripRated", rating(feedback=MARKER))[:-3], headers),
        ("trip", b"11", encode("TripRated", rating(feedback=MARKER)) + MARKER.encode(), headers),
    ]
    # What only the database refuses, with a message of its own that shows the value.
    mysql.execute(
        "CREATE TRIGGER refusing BEFORE INSERT ON trip FOR EACH ROW BEGIN "
        f"IF NEW.travel_mode = '{MARKER}' THEN "
        f"SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 3819, MESSAGE_TEXT = 'row {MARKER} is refused'; END IF; END"
    )
    try:
        broker.put(messages)
        consumer = start_consumer(log_format="json")
        wait_for(lambda: applied(mysql) == len(messages), "all records")
    finally:
        mysql.execute("DROP TRIGGER refusing")
    shown = [consumer.get(path)[1] for path in ("/metrics", "/readyz", "/livez")]
    shown.append(run_command(stream_settings, "dead-letters", "list").stdout)
    letters = mysql.rows("dead_letter")
    assert len(letters) == len(broken) + 5
    for letter in letters[:3]:
        where = f"{letter['topic']}/{letter['kafka_partition']}/{letter['kafka_offset']}"
        shown.append(run_command(stream_settings, "dead-letters", "show", where).stdout)
    consumer.terminate()
    consumer.assert_ends(0)
    shown.append(consumer.log_text())
    assert all(MARKER not in text for text in shown)
    password = stream_settings["STREAM_DATABASE_URL"].split(":")[2].split("@")[0]
    assert all(password not in text for text in shown)


def test_logs_are_json_lines_with_coordinates(broker: Broker, start_consumer: StartConsumer) -> None:
    consumer = start_consumer("--until-caught-up")
    consumer.assert_ends(0)
    lines = [json.loads(line) for line in consumer.log_text().splitlines()]
    assert [line["event"] for line in lines[:2]] == ["listening", "started"]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
