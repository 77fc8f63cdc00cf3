"""Kafka's own ids of topics, as text.

confluent-kafka forgets to let go of the object of each id that it hands out: 140 bytes for each description of a topic,
and lanes ask with each batch, which is some ten megabytes an hour. So we let go in its place.
"""

import ctypes
import re
import sys
from importlib.metadata import version
from types import SimpleNamespace

from confluent_kafka.admin import TopicDescription  # type: ignore[attr-defined]

FORGETFUL_UNTIL = (2, 16, 1)
"""The newest version that we know to have this fault. Of a newer one we let nothing go: to forget an object is better
than to free one that is in use."""

IS_FORGETFUL = tuple(map(int, re.findall(r"\d+", version("confluent-kafka"))[:3])) <= FORGETFUL_UNTIL


def topic_id_of(described: TopicDescription) -> str:
    """The id of a topic that was just described. To be asked once for each description."""
    topic_id = described.topic_id
    if IS_FORGETFUL and sys.getrefcount(topic_id) > _HOLDERS:
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(topic_id))
    return str(topic_id)


def _holders() -> int:
    """The references to an id that only its description, and a call such as the above, hold."""
    described = SimpleNamespace(topic_id=object())
    topic_id = described.topic_id
    return sys.getrefcount(topic_id)


_HOLDERS = _holders()
