"""Reports on learners, who are users of the Telegram bot."""

from stream.catalog.learner import SEARCH_LENGTH
from stream.reports.declaration import TIME_ZONE, Parameter, Report, days_back
from stream.reports.scope import Scope
from stream.reports.tables import COURSE_STREAM

FOUND_MAX = 50

COURSE_STREAMS = ("3rd_stream", "4th_stream", "5th_stream")


def _prefix(written: str) -> str:
    """The pattern of texts that begin so; a wildcard in `written` stands for itself."""
    if not 0 < len(written) <= SEARCH_LENGTH:
        raise ValueError(f"the start of a name has 1 to {SEARCH_LENGTH} characters")
    return "".join(f"!{character}" if character in "!%_" else character for character in written) + "%"


def _telegram_id(written: str) -> int:
    if not (written.isascii() and written.isdecimal() and 0 < int(written) < 2**63):
        raise ValueError(f"{written!r} is not a Telegram user's id, a whole number above 0")
    return int(written)


def _course_stream(written: str) -> str:
    if written not in COURSE_STREAMS:
        raise ValueError(f"{written!r} is no course stream; there are: {', '.join(COURSE_STREAMS)}")
    return written


def _search(_scope: Scope) -> str:
    # Each half stops at its limit in the order of an index. The view telegram_user_with_stream is not read: MySQL
    # would make it for all learners first.
    def beginning(column: str, place: int) -> str:
        return f"""
            (SELECT user_id, {place} AS place FROM telegram_user WHERE {column} LIKE :prefix ESCAPE '!'
            ORDER BY {column}, user_id LIMIT {FOUND_MAX})"""

    return f"""
        SELECT u.user_id, u.username, u.first_name, {COURSE_STREAM} AS course_stream
        FROM (
            SELECT user_id, MIN(place) AS place FROM ({beginning("username_start", 1)}
            UNION ALL {beginning("first_name_start", 2)}
            ) begins GROUP BY user_id
        ) found
        JOIN telegram_user u ON u.user_id = found.user_id
        ORDER BY found.place, IF(found.place = 1, u.username_start, u.first_name_start), u.user_id
        LIMIT {FOUND_MAX}
    """


def _by_stream(scope: Scope) -> str:
    return f"""
        SELECT u.user_id, u.username, u.first_name, b.course_stream
        FROM (
            SELECT DISTINCT course_stream, user_id
            FROM bookings
            WHERE confirmed = 2 AND {scope.only("course_stream", "course_stream = :course_stream")}
        ) b
        JOIN telegram_user u ON u.user_id = b.user_id
        ORDER BY b.course_stream, u.user_id
    """


def _lead_scores(scope: Scope) -> str:
    return f"""
        SELECT u.user_id, u.username, u.first_name, a.total_events, a.active_days, a.last_activity,
            CASE
                WHEN a.total_events >= 20 AND a.active_days >= 5 THEN 'hot'
                WHEN a.total_events >= 10 AND a.active_days >= 3 THEN 'warm'
                WHEN a.total_events >= 5 THEN 'cool'
                ELSE 'cold'
            END AS lead_score
        FROM (
            SELECT r.user_id, COUNT(e.id) AS total_events, COUNT(DISTINCT {scope.day("e.created_on")}) AS active_days,
                MAX(e.created_on) AS last_activity
            FROM (SELECT DISTINCT user_id FROM free_lesson_registrations) r
            LEFT JOIN events e ON e.user_id = r.user_id AND e.created_on >= UTC_TIMESTAMP(6) - INTERVAL :days DAY
            GROUP BY r.user_id
        ) a
        JOIN telegram_user u ON u.user_id = a.user_id
        ORDER BY a.total_events DESC, a.active_days DESC, u.user_id
    """


def _validation(_scope: Scope) -> str:
    return """
        SELECT asked.user_id, IF(u.user_id IS NULL, 'invalid', 'valid') AS verdict, u.username, u.first_name,
            CAST(SUM(u.user_id IS NOT NULL) OVER () AS SIGNED) AS valid_count,
            CAST(SUM(u.user_id IS NULL) OVER () AS SIGNED) AS invalid_count
        FROM (
            SELECT user_id, MIN(place) AS place
            FROM JSON_TABLE(:user_ids, '$[*]' COLUMNS (
                place FOR ORDINALITY, user_id BIGINT UNSIGNED PATH '$'
            )) written
            GROUP BY user_id
        ) asked
        LEFT JOIN telegram_user u ON u.user_id = asked.user_id
        ORDER BY asked.place
    """


WHO = {
    "user_id": "the Telegram user",
    "username": "in Telegram, the latest; null where there is none",
    "first_name": "in Telegram, the latest; null where there is none",
}

SEARCH = Report(
    "learners-search",
    "Learners whose user name or first name begins with some characters",
    {**WHO, "course_stream": "that of the latest confirmed booking, or else of the latest booking"},
    _search,
    (
        Parameter(
            "prefix",
            _prefix,
            f"How the name begins: 1 to {SEARCH_LENGTH} characters, of which none is a wildcard.",
            is_required=True,
            example="ann",
        ),
    ),
    note=f"At most {FOUND_MAX}: first by user name, then by first name, each in the order of names. Neither case nor "
    "accents matter, so é finds e; what is two letters elsewhere, such as ss for ß, is not found. It reads the rows "
    "themselves, so it is never behind them.",
    has_view=False,
)

BY_STREAM = Report(
    "learners-by-stream",
    "Learners with a confirmed booking in a course stream",
    {**WHO, "course_stream": "the stream of the booking"},
    _by_stream,
    (Parameter("course_stream", _course_stream, f"Only of this stream: {', '.join(COURSE_STREAMS)}."),),
    note="A booking is confirmed at 2. Who has several in one stream has one row; in two streams, two.",
)

LEAD_SCORES = Report(
    "learners-lead-scores",
    "How active those are who registered for a free lesson, the most active first",
    {
        **WHO,
        "total_events": "what they did with the bot in the last days",
        "active_days": "on how many different days",
        "last_activity": "the latest of it (UTC); null where there is none",
        "lead_score": "hot: 20 events or more on 5 days or more; warm: 10 on 3; cool: 5; else cold",
    },
    _lead_scores,
    (days_back(7), TIME_ZONE),
    note="Who registered several times has one row.",
)

VALIDATION = Report(
    "learners-validation",
    "Which of many ids are learners', in the order in which they are asked",
    {
        "user_id": "as it was asked",
        "verdict": "valid where it is a learner's, else invalid",
        "username": "in Telegram, the latest",
        "first_name": "in Telegram, the latest",
        "valid_count": "how many of those asked are valid; in every row the same",
        "invalid_count": "how many are not; in every row the same",
    },
    _validation,
    (
        Parameter(
            "user_ids",
            _telegram_id,
            "A Telegram user's id; may be repeated.",
            is_required=True,
            is_list=True,
            example="5000000001",
        ),
    ),
    note="A learner has booked a course, registered for a free lesson, or done anything with the bot. An id that is "
    "asked twice counts once.",
    has_view=False,
)

REPORTS = (SEARCH, BY_STREAM, LEAD_SCORES, VALIDATION)
