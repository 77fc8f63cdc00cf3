"""The topics as an AsyncAPI 3 document, for whoever publishes to them: from the catalog and the schemas."""

from __future__ import annotations

import json
from typing import Any

import stream as package
from stream.catalog import STREAMS
from stream.declaration.routes import Route
from stream.declaration.streams import Stream
from stream.kafka.topics import declared_config
from stream.schemas.store import SchemaStore

AVRO = "application/vnd.apache.avro+json;version=1.9.0"

Json = dict[str, Any]


def asyncapi() -> str:
    """The document, as JSON."""
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "stream",
            "version": package.__version__,
            "description": "What producers publish and `stream` keeps in MySQL. "
            "The rules are in docs/events.md, and in the README.md beside each topic's schemas.",
        },
        "defaultContentType": "avro/binary",
        "channels": {stream.topic: _channel(stream) for stream in STREAMS.values()},
        "operations": {f"consume {stream.topic}": _operation(stream) for stream in STREAMS.values()},
        "components": {"messages": {_name(stream, route): _message(stream, route) for stream, route in _routes()}},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _routes() -> list[tuple[Stream, Route]]:
    return [(stream, route) for stream in STREAMS.values() for route in stream.bound_routes]


def _name(stream: Stream, route: Route) -> str:
    return f"{stream.topic}.{route.record_name}"


def _channel(stream: Stream) -> Json:
    return {
        "address": stream.topic,
        "messages": {
            route.record_name: {"$ref": f"#/components/messages/{_name(stream, route)}"}
            for route in stream.bound_routes
        },
        "bindings": {
            "kafka": {
                "partitions": stream.partitions,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": int(declared_config(stream)["retention.ms"]),
                    "max.message.bytes": int(declared_config(stream)["max.message.bytes"]),
                },
            }
        },
    }


def _operation(stream: Stream) -> Json:
    return {"action": "receive", "channel": {"$ref": f"#/channels/{stream.topic}"}}


def _message(stream: Stream, route: Route) -> Json:
    newest = SchemaStore().newest(stream.topic, route.record_name)
    path = f"../schemas/{stream.topic}/{newest.name}.avsc"
    message = {
        "name": route.record_name,
        "title": newest.source["doc"],
        "contentType": "avro/binary",
        "payload": {"schemaFormat": AVRO, "schema": {"$ref": path}},
        "bindings": {"kafka": {"key": {"type": "string", "description": f"The text of {route.key}."}}},
    }
    if route.feeds:
        message["description"] = "Becomes rows of " + ", ".join(feed.table.name for feed in route.feeds) + "."
    elif route.erases is not None:
        message["description"] = f"Erases the {route.erases.kind} person in {route.erases.attribute}."
    elif route.admits is not None:
        message["description"] = f"Lets the {route.admits.kind} person in {route.admits.attribute} in again."
    return message
