"""Reports on research participants, who are known by hashes only."""

from stream.declaration.types import check_hash_id
from stream.reports.declaration import DAYS, TIME_ZONE, Parameter, Report
from stream.reports.scope import Scope


def _hash_id(written: str) -> str:
    if not check_hash_id(written):
        raise ValueError("malformed: a hash is 64 digits, each 0 to 9 or a to f")
    return written


def _lookup(_scope: Scope) -> str:
    return """
        SELECT id, created_on
        FROM hntb_target_user
        WHERE hash_id = :hash_id
        ORDER BY created_on, id
    """


def _timeline(_scope: Scope) -> str:
    return """
        SELECT created_on, modified_on, id, study_id
        FROM hntb_target_user
        WHERE hash_id = :hash_id
        ORDER BY created_on, id
    """


def _validation(_scope: Scope) -> str:
    return """
        SELECT asked.hash_id, IF(COUNT(u.id) > 0, 'valid', 'invalid') AS verdict, MIN(u.created_on) AS created_on,
            CAST(SUM(COUNT(u.id) > 0) OVER () AS SIGNED) AS valid_count,
            CAST(SUM(COUNT(u.id) = 0) OVER () AS SIGNED) AS invalid_count
        FROM (
            SELECT place, hash_id COLLATE utf8mb4_bin AS hash_id
            FROM JSON_TABLE(:hash_ids, '$[*]' COLUMNS (place FOR ORDINALITY, hash_id TEXT PATH '$')) written
        ) asked
        LEFT JOIN hntb_target_user u ON u.hash_id = asked.hash_id
        GROUP BY asked.hash_id
        ORDER BY MIN(asked.place)
    """


def _totals(scope: Scope) -> str:
    return f"""
        SELECT COUNT(DISTINCT hash_id) AS total_users,
            MIN(created_on) AS first_registration, MAX(created_on) AS latest_registration,
            COUNT(DISTINCT {scope.day("created_on")}) AS registration_days, COUNT(*) AS registrations
        FROM hntb_target_user
        WHERE {scope.only("study", "study_id = :study")}
    """


def _daily(scope: Scope) -> str:
    return f"""
        SELECT {scope.day("created_on")} AS registration_date, COUNT(*) AS registrations
        FROM hntb_target_user
        WHERE {scope.within("created_on")} AND {scope.only("study", "study_id = :study")}
        GROUP BY registration_date
        ORDER BY registration_date
    """


def _registered(scope: Scope) -> str:
    return f"""
        SELECT id, hash_id, study_id, created_on
        FROM hntb_target_user
        WHERE {scope.within("created_on")} AND {scope.only("study", "study_id = :study")}
        ORDER BY created_on DESC, id DESC
    """


A_HASH = '"$HASH"'
"""The stand-in for a hash in examples: a hash itself would fill a line of the terminal."""

HASH_ID = Parameter(
    "hash_id", _hash_id, "The participant's hash: 64 hex digits in lower case.", is_required=True, example=A_HASH
)
STUDY = Parameter("study", str, "Only of this study.")

REGISTERED_ON = "when the participant was registered (UTC)"
ID = "names the registration"

LOOKUP = Report(
    "target-users-lookup",
    "Whether a hash is a participant's, and since when",
    {"id": ID, "created_on": REGISTERED_ON},
    _lookup,
    (HASH_ID,),
    note="A malformed hash is refused. A hash under two ids has two rows.",
    has_view=False,
)

TIMELINE = Report(
    "target-users-timeline",
    "What happened to a participant's registrations, and when",
    {
        "created_on": REGISTERED_ON,
        "modified_on": "when the registration last changed (UTC)",
        "id": ID,
        "study_id": "the study",
    },
    _timeline,
    (HASH_ID,),
    has_view=False,
)

VALIDATION = Report(
    "target-users-validation",
    "Which of many hashes are participants', in the order in which they are asked",
    {
        "hash_id": "as it was asked",
        "verdict": "valid where it is a participant's, else invalid, as malformed ones are",
        "created_on": "when the participant was first registered (UTC)",
        "valid_count": "how many of those asked are valid; in every row the same",
        "invalid_count": "how many are not; in every row the same",
    },
    _validation,
    (Parameter("hash_ids", str, "A hash; may be repeated.", is_required=True, is_list=True, example=A_HASH),),
    note="A hash that is asked twice counts once.",
    has_view=False,
)

TOTALS = Report(
    "target-users-totals",
    "How many participants there are, and since when",
    {
        "total_users": "participants: different hashes",
        "first_registration": "the first (UTC)",
        "latest_registration": "the latest (UTC)",
        "registration_days": "days on which anybody was registered",
        "registrations": "rows, among which a hash may be repeated under another id",
    },
    _totals,
    (STUDY, TIME_ZONE),
)

DAILY = Report(
    "target-users-daily",
    "Registrations of participants on each day",
    {"registration_date": "the day", "registrations": "registrations on it"},
    _daily,
    (*DAYS, STUDY),
    note="A day without any has no row.",
)

REGISTERED = Report(
    "target-users-registered",
    "The participants who were registered from one day to another, the newest first",
    {
        "id": ID,
        "hash_id": "names the participant within the study",
        "study_id": "the study",
        "created_on": REGISTERED_ON,
    },
    _registered,
    (*DAYS, STUDY),
    has_view=False,
)

REPORTS = (LOOKUP, TIMELINE, VALIDATION, TOTALS, DAILY, REGISTERED)
