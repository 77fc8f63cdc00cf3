"""Research participants through the whole service: their ids are in no table, log, metric or answer."""

from __future__ import annotations

from tests.balance import assert_drained
from tests.broker import Broker
from tests.commands import run_command
from tests.conftest import StartConsumer
from tests.databases import Database
from tests.engine.conftest import StartService
from tests.engine.logs import applied
from tests.events import NOON, SECOND, app_user_deleted, encode, key_of, target_user, uuid_text
from tests.keys import HASH_KEYS
from tests.sql.test_research_target_user import traces
from tests.stores import HASHER
from tests.waiting import wait_for

TOPIC = "research.target-user"
PLANTED = "4070707070"
PLANTED_TEXT = "planted-rider"
REFUSED = HASHER.hash_id("study-1", "4070707071")


def messages() -> list[tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]]]]:
    """Sound registrations and broken ones, of two persons whose ids also stand in keys and headers."""
    headers = [(PLANTED_TEXT, PLANTED.encode())]
    found = []
    for number, user_id in enumerate((PLANTED, PLANTED_TEXT), start=1):
        for study in ("study-1", "study-2", " broken", ""):
            version = {"event_id": uuid_text(number), "occurred_at": NOON + number * SECOND}
            datum = target_user(target_user_id=number, user_id=user_id, study_id=study, **version)
            found.append((TOPIC, key_of("TargetUserSelected", datum), encode("TargetUserSelected", datum), headers))
        value = encode("TargetUserSelected", target_user(user_id=user_id))
        found += [
            (TOPIC, user_id.encode(), value, headers),
            (TOPIC, b"41", value[:-3], headers),
            (TOPIC, b"41", value + user_id.encode(), headers),
            (TOPIC, b"41", user_id.encode(), headers),
            (TOPIC, b"41", encode("TargetUserSelected", target_user(user_id=user_id * 40)), headers),
        ]
    return [*found, (TOPIC, PLANTED.encode(), None, headers)]


def test_no_participant_is_named_anywhere(
    broker: Broker, mysql: Database, start_consumer: StartConsumer, stream_settings: dict[str, str]
) -> None:
    """What only the database refuses is among it, with a message of its own that shows the row."""
    refused = target_user(target_user_id=77, user_id=f"{int(PLANTED) + 1}", event_id=uuid_text(77))
    put = [*messages(), (TOPIC, b"77", encode("TargetUserSelected", refused), [])]
    mysql.execute(
        "CREATE TRIGGER refusing BEFORE INSERT ON hntb_target_user FOR EACH ROW BEGIN "
        f"IF NEW.hash_id = '{REFUSED}' THEN "
        f"SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 3819, MESSAGE_TEXT = 'row {REFUSED} is refused'; END IF; END"
    )
    try:
        broker.put(put)
        consumer = start_consumer(dead_letter_ratio_max=1)
        wait_for(lambda: applied(mysql) == len(put), "all records")
    finally:
        mysql.execute("DROP TRIGGER refusing")
    shown = [consumer.get(path)[1] for path in ("/metrics", "/readyz", "/livez")]
    shown.append(run_command(stream_settings, "dead-letters", "list").stdout)
    letters = mysql.rows("dead_letter")
    assert len(letters) == len(put) - 4
    for letter in {one["reason"]: one for one in letters}.values():
        where = f"{letter['topic']}/{letter['kafka_partition']}/{letter['kafka_offset']}"
        shown.append(run_command(stream_settings, "dead-letters", "show", where).stdout)
    consumer.terminate()
    consumer.assert_ends(0)
    shown.append(consumer.log_text())

    wanted = [PLANTED[:-1], PLANTED_TEXT, PLANTED.encode().hex()[:-2], *HASH_KEYS.split()]
    assert [one for one in wanted for text in shown if one in text] == []
    assert REFUSED not in consumer.log_text()
    assert [place for one in wanted for place in traces(mysql, one)] == []
    assert mysql.count("hntb_target_user") == 2


def test_a_running_service_erases_a_participant_and_goes_on_with_the_others(
    broker: Broker, mysql: Database, start_service: StartService, stream_settings: dict[str, str]
) -> None:
    """By the id, by our hash and by the hash of an older key, before the erasure and after it."""
    study = "study-1"
    names: list[dict[str, str | None]] = [
        {"user_id": PLANTED},
        *({"user_id": None, "hash_id": one} for one in HASHER.known_hash_ids(study, PLANTED)),
    ]
    before, after = (
        [
            ("TargetUserSelected", target_user(target_user_id=first + n, event_id=uuid_text(first + n), **name))
            for n, name in enumerate(names)
        ]
        for first in (100, 200)
    )
    bystander = ("TargetUserSelected", target_user(target_user_id=1, event_id=uuid_text(1), user_id="8"))
    start_service()
    broker.publish([bystander, *before])
    wait_for(lambda: mysql.count("hntb_target_user") == 4, "the registrations")
    broker.publish([("AppUserDeleted", app_user_deleted(user_id=int(PLANTED), event_id=uuid_text(900)))])
    wait_for(lambda: mysql.count("hntb_target_user") == 1, "the sweep")
    swept = "SELECT COUNT(*) FROM erasure WHERE swept_on IS NOT NULL AND person_kind = 'app'"
    wait_for(lambda: mysql.value(swept) == 1, "the sweep to be noted")
    broker.publish(after)
    wait_for(lambda: applied(mysql) == 8, "the late registrations")
    assert [row["id"] for row in mysql.rows("hntb_target_user")] == [1]
    assert traces(mysql, PLANTED, but=["erasure", "erasure_removal"]) == []
    assert_drained(mysql, broker.records(), stream_settings["STREAM_GROUP_ID"])
