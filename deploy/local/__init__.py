"""Real local servers for tests, benchmark and demo: Apache Kafka, MySQL, MariaDB and a schema registry.

No root, no Docker and no installed Java needed; all listen on 127.0.0.1 alone. The programs are fetched once
into a cache that all clones share (`parts`), the data are in the folder that the caller names.

    with start_kafka(folder / "kafka") as kafka, start_database(folder / "database") as database:
        url = database.create_database("stream_test")
        database.kill()     # as a power cut would
        database.start()    # on the same port, with the same data
"""

from deploy.local.database import Database
from deploy.local.errors import LocalError, ServerError, UnavailableError
from deploy.local.fallback import start_database
from deploy.local.kafka import Kafka, start_kafka
from deploy.local.mariadb import start_mariadb
from deploy.local.mysql import start_mysql
from deploy.local.promtool import promtool_program
from deploy.local.registry import Registry, start_registry
from deploy.local.server import Server

__all__ = [
    "Database",
    "Kafka",
    "LocalError",
    "Registry",
    "Server",
    "ServerError",
    "UnavailableError",
    "promtool_program",
    "start_database",
    "start_kafka",
    "start_mariadb",
    "start_mysql",
    "start_registry",
]
