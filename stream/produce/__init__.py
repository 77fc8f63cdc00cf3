"""The synthetic producer behind `stream produce`: plausible riders, and what can go wrong with their events.

    Plan → riders live their days → each topic tells them as events → encode → mix in duplicates, late and
    broken ones → Message → publish

All but the last step are pure: equal plans give equal messages, byte for byte. Only `publish` knows Kafka.
"""

from stream.produce.plan import Framing, Kind, Message, Plan
from stream.produce.publish import Deliveries, publish
from stream.produce.synthesize import synthesize

__all__ = ["Deliveries", "Framing", "Kind", "Message", "Plan", "publish", "synthesize"]
