"""The page of limits: every bound that the service keeps, its value from the code, and the test that goes beyond it."""

from __future__ import annotations

from typing import NamedTuple

from stream.catalog.message import RECIPIENTS_MAX
from stream.cli.options import ROWS_MAX as ROWS_LISTED_MAX
from stream.cli.report import PLOTTED_DAYS_MAX
from stream.declaration.service_tables import BECAUSE_LENGTH_MAX
from stream.declaration.streams import KEY_CHARACTERS_MAX
from stream.declaration.types import AHEAD_MICROS_MAX, TEXT_LENGTH_MAX
from stream.engine import flood_guard, http_server, jobs, lane, poller, retry, survey, waiting, watch
from stream.engine.service import QUERY_SECONDS_MAX
from stream.engine.workers import FAILURE_SECONDS_MAX
from stream.hashing import KEY_CHARACTERS_MIN
from stream.kafka import client
from stream.mysql import dead_letters, erased, hosts, markers, migrate, returns, rollups, selection, session, touched
from stream.mysql.connection import CONNECT_SECONDS_MAX, READ_TIMEOUT_SECONDS
from stream.mysql.rows import ROWS_MAX
from stream.operate.check import PACKET_BYTES_MIN
from stream.records import RECORD_BYTES_MAX
from stream.reports.declaration import DAYS_MAX
from stream.reports.users import WEEKS_MAX
from stream.schemas import bounds, framing, questions, registry
from stream.settings import Settings
from stream.stages.validate import FUTURE_MS_MAX
from stream.stages.values import JSON_BYTES_MAX

MIB = 1024 * 1024
INTRODUCTION = """\
Whatever comes in, and whoever is silent, costs a bounded amount. Widths and ranges of fields are in
[events.md](events.md) and each topic's page; here are the bounds of everything else, each with the test that goes up to
it or beyond.

"""


class Limit(NamedTuple):
    """A bound of the service."""

    what: str
    value: str
    beyond: str
    """The consequence of going beyond it."""
    test: str


def setting(name: str) -> str:
    """The bounds that a setting may have, and its default."""
    field = Settings.model_fields[name]
    least, most = (next(getattr(each, sign) for each in field.metadata if hasattr(each, sign)) for sign in ("ge", "le"))
    return f"{least:,} to {most:,}; {field.default:,} by default"


RECORDS = [
    Limit(
        "a record's value, unpacked",
        f"{RECORD_BYTES_MAX // MIB} MiB",
        "dead letter `too_large`, kept by its coordinates",
        "test_records_that_are_large_once_unpacked_hold_up_nobody",
    ),
    Limit(
        "what a dead letter keeps: key, value and headers",
        f"{RECORD_BYTES_MAX // MIB} MiB together",
        "coordinates and reason alone are kept; a redrive reads the log",
        "test_whatever_a_record_holds_its_dead_letter_is_kept",
    ),
    Limit(
        "a key that may name a person",
        f"{KEY_CHARACTERS_MAX} characters",
        "it names nobody",
        "test_a_key_longer_than_any_id_names_nobody",
    ),
    Limit(
        "a message's recipients",
        f"{RECIPIENTS_MAX:,}",
        "dead letter `too_long`, before they are read",
        "test_a_list_is_not_read_beyond_its_bound",
    ),
    Limit(
        "a long text or JSON",
        f"{TEXT_LENGTH_MAX:,} characters",
        "dead letter `too_long`",
        "test_a_value_beyond_its_limit_is_rejected",
    ),
    Limit(
        "`occurred_at`",
        f"from 2000-01-01 to {FUTURE_MS_MAX // 3_600_000} hours after Kafka's timestamp",
        "dead letter `before_2000` or `from_the_future`",
        "test_a_value_beyond_its_limit_is_rejected",
    ),
    Limit(
        "any other moment of an event",
        f"from 2000-01-01 to {AHEAD_MICROS_MAX // 86_400_000_000:,} days after `occurred_at`",
        "dead letter `before_2000` or `too_far_ahead`",
        "test_every_moment_of_an_event_is_bounded",
    ),
    Limit(
        "records rejected for one reason",
        f"the share `STREAM_DEAD_LETTER_RATIO_MAX` of a topic's records in {flood_guard.WINDOW_SECONDS:.0f} s, "
        f"of {flood_guard.RECORDS_MIN:,} at least",
        "the topic rests for a minute",
        "test_more_than_the_share_is_a_flood_and_as_much_is_not",
    ),
]

SCHEMAS = [
    Limit(
        "a registry's schema",
        f"{bounds.TEXT_CHARACTERS_MAX // 1024} Ki characters, {bounds.DEPTH_MAX} levels, no recursion, "
        "no part of it without a byte",
        "its records are dead letters (`incompatible_schema`)",
        "test_a_schema_whose_data_could_cost_anything_is_incompatible",
    ),
    Limit(
        "ids of `ids.json`",
        f"{framing.LOCAL_ID_MIN:,} to {framing.SCHEMA_ID_MAX:,}",
        "refused when it is read",
        "test_an_id_that_a_registry_could_give_to_another_schema_is_refused",
    ),
    Limit(
        "the wait for ids that the registry doesn't know",
        f"{questions.GRACE_SECONDS:.0f} s a batch",
        "dead letters `unknown_schema`",
        "test_ids_of_broken_bytes_cost_a_bounded_number_of_questions",
    ),
    Limit(
        "questions about ids that turn out to be unknown",
        f"{questions.UNKNOWN_IDS_MAX} at a time; {questions.GIVEN_UP_IDS_MAX:,} are remembered",
        "the rest is asked for with the next batch, or rejected",
        "test_only_the_latest_ids_that_were_waited_for_in_vain_are_remembered",
    ),
    Limit(
        "an answer of the registry",
        f"{registry.REQUEST_TIMEOUT_SECONDS:.0f} s",
        "asked again (`registry_timeout`)",
        "test_a_registry_that_does_not_answer_is_slow",
    ),
]

WORK = [
    Limit("lanes", setting("lanes"), "refused at the start", "test_a_value_out_of_range_is_refused"),
    Limit(
        "records of a batch",
        setting("batch_records_max"),
        "refused at the start",
        "test_a_value_out_of_range_is_refused",
    ),
    Limit(
        "batches that wait for a lane",
        f"{lane.INBOX_BATCHES_MAX}",
        "partitions are left out of what is fetched",
        "test_a_lane_is_overfull_once_it_has_one_batch_too_many_and_no_longer_than_that",
    ),
    Limit(
        "what Kafka's client fetches ahead of us",
        f"{client.QUEUED_KBYTES_MAX // 1024} MiB, and the answer at hand",
        "the client waits",
        "test_what_is_fetched_ahead_is_bounded",
    ),
]

STATEMENTS = [
    Limit(
        "rows of a statement",
        f"{JSON_BYTES_MAX // MIB} MiB of JSON",
        "several statements",
        "test_a_batch_beyond_one_statement_arrives_whole",
    ),
    Limit(
        "keys, persons and periods that a statement names",
        f"{ROWS_MAX:,}, {erased.PERSONS_MAX:,} (to mark them, {markers.PERSONS_MAX:,}) and {touched.PERIODS_MAX:,}",
        "several statements",
        "test_a_statement_that_names_keys_stays_below_the_smallest_packet",
    ),
    Limit(
        "`max_allowed_packet`",
        f"{PACKET_BYTES_MIN // MIB} MiB at least",
        "refused at the start; lowered later, work waits",
        "test_a_server_that_is_set_wrong_is_refused",
    ),
    Limit(
        "dead letters that a redrive takes",
        f"{selection.RECORDS_MAX} and {selection.BYTES_MAX // MIB} MiB at a time, a single larger one by itself",
        "several transactions",
        "test_a_redrive_takes_a_bounded_number_of_records_and_of_bytes_at_a_time",
    ),
    Limit(
        "persons that are erased, and rows that are removed or emptied",
        f"{jobs.PERSONS_MAX} and {dead_letters.CHANGED_ROWS_MAX:,} at a time",
        "several steps",
        "test_the_eraser_sweeps_many_persons_in_bounded_steps",
    ),
    Limit(
        "a rollup's quarters of an hour that are summed",
        f"{rollups.PERIODS_MAX} at a time, of {rollups.ENTRIES_MAX:,} entries at most",
        "several steps",
        "test_a_backlog_is_worked_off_some_periods_at_a_time_and_each_once",
    ),
    Limit(
        "a check of data quality",
        f"{jobs.CHECK_SECONDS_MAX:.0f} s",
        "given up; nothing is told of it",
        "test_of_a_check_that_took_too_long_or_is_gone_nothing_is_told",
    ),
    Limit(
        "records that a return lets in again",
        f"{returns.RECORDS_MAX} at a time",
        "several transactions",
        "test_what_occurred_after_the_return_is_stored_in_any_order",
    ),
]

WAITS = [
    Limit(
        "until a connection to MySQL is ready",
        f"{CONNECT_SECONDS_MAX} s an answer",
        "tried again, or the next of several servers",
        "test_an_address_that_accepts_and_says_nothing_is_given_up",
    ),
    Limit(
        "a statement of a lane",
        f"{READ_TIMEOUT_SECONDS} s",
        "the connection is dropped, and the transaction tried again",
        "test_a_server_that_falls_silent_is_given_up",
    ),
    Limit(
        "the same, where another of several servers takes writes",
        f"{hosts.PATIENCE_SECONDS:.0f} s",
        "the connection is cut",
        "test_an_answer_that_does_not_come_is_given_up_for_a_server_that_takes_writes",
    ),
    Limit(
        "a question of the poller to MySQL",
        f"{QUERY_SECONDS_MAX} s",
        "asked again",
        "test_a_server_that_falls_silent_is_given_up",
    ),
    Limit(
        "a wait for rows, for a table",
        f"{session.LOCK_WAIT_SECONDS} s, {session.METADATA_WAIT_SECONDS} s",
        "the transaction is tried again (`lock_wait`, `metadata_lock`)",
        "test_a_wait_for_a_table_is_told_from_a_wait_for_rows",
    ),
    Limit(
        "a frozen process's row locks",
        f"{session.IDLE_SECONDS_MAX} s",
        "the server ends its connection",
        "test_a_frozen_lane_does_not_hold_its_locks_for_long",
    ),
    Limit(
        "a question to Kafka",
        f"{client.REQUEST_TIMEOUT_SECONDS:.0f} s",
        "asked again by another client",
        "test_work_goes_on_when_kafka_is_back",
    ),
    Limit(
        "between two attempts",
        f"{retry.WAIT_SECONDS_MAX:.0f} s for a lane, {FAILURE_SECONDS_MAX:.0f} s for a worker's fault of its own",
        "",
        "test_a_worker_that_fails_says_so_and_looks_ever_more_seldom",
    ),
    Limit(
        "before `/readyz` tells that an answer is waited for",
        f"{waiting.ANSWER_SECONDS_TOLD:.0f} s",
        "503, with whom and since when",
        "test_a_server_that_falls_silent_is_told_while_it_is_waited_for",
    ),
    Limit(
        "a thread without a sign of life",
        f"{watch.STUCK_SECONDS:.0f} s; the poller {watch.POLLER_STUCK_SECONDS:.0f} s",
        "`/livez` says 503",
        "test_a_worker_shows_that_it_moves_with_each_step_and_is_stuck_while_one_does_not_end",
    ),
    Limit(
        "the age of the lag metrics",
        f"{survey.SURVEY_SECONDS:.0f} s",
        "",
        "test_the_lag_grows_while_nothing_is_fetched",
    ),
    Limit(
        "an end after SIGTERM",
        f"{poller.DRAIN_SECONDS_MAX:.0f} s for what is in flight",
        "it is given up; its transaction is rolled back",
        "test_sigterm_while_kafka_is_away_ends_in_time",
    ),
    Limit(
        "another `stream migrate` under way",
        f"{migrate.LOCK_SECONDS} s",
        "`migration_under_way`, exit code 75",
        "test_one_process_at_a_time_migrates",
    ),
]

OUTSIDE = [
    Limit(
        "HTTP connections, and the silence of one",
        f"{http_server.CONNECTIONS_MAX}; {http_server.SILENT_SECONDS_MAX} s",
        "the next ones wait; it is cut off",
        "test_beyond_the_most_connections_a_client_waits_for_another_to_end",
    ),
    Limit(
        "an HTTP request's headers",
        f"{http_server.REQUEST_HEADER_BYTES_MAX // 1024} KiB",
        "answered with 431",
        "test_a_header_that_is_too_large_is_refused",
    ),
    Limit(
        "a report's days, weeks; the page's days",
        f"{DAYS_MAX:,}, {WEEKS_MAX}; {PLOTTED_DAYS_MAX:,}",
        "exit code 2",
        "test_wrong_usage_ends_with_2",
    ),
    Limit(
        "the reason for which somebody discards",
        f"{BECAUSE_LENGTH_MAX} characters",
        "exit code 2",
        "test_discarding_wants_a_filter_and_a_reason_and_a_second_word",
    ),
    Limit(
        "`STREAM_HASH_KEY`",
        f"{KEY_CHARACTERS_MIN} characters at least",
        "refused at the start",
        "test_a_missing_or_short_key_is_refused_without_telling_it",
    ),
    Limit("rows of `dead-letters list`", f"{ROWS_LISTED_MAX:,}", "exit code 2", "test_wrong_usage_ends_with_2"),
]

SECTIONS = {
    "Records": RECORDS,
    "Schemas": SCHEMAS,
    "Work in flight": WORK,
    "Statements and transactions": STATEMENTS,
    "Time": WAITS,
    "From outside": OUTSIDE,
}


def limits() -> str:
    """The page, without its note."""
    page = f"# Limits\n\n{INTRODUCTION}"
    for title, table in SECTIONS.items():
        page += f"## {title}\n\n| what | limit | beyond it | test |\n|---|---|---|---|\n"
        page += "".join(f"| {each.what} | {each.value} | {each.beyond} | `{each.test}` |\n" for each in table)
        page += "\n"
    return page.rstrip("\n") + "\n"
