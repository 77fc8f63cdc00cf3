"""A local schema registry with Confluent's API: Apicurio Registry, from its Maven Central artifact."""

from pathlib import Path
from typing import ClassVar

from deploy.local.kafka import java_program
from deploy.local.maven import fetch_archive
from deploy.local.parts import part, say
from deploy.local.server import LOOPBACK, Server, does_serve, free_port

VERSION = "3.3.3"
ARCHIVE = f"io.apicurio:apicurio-registry-app:{VERSION}:all"
# What we run is what we tried, whatever a mirror or a cache on the way answers.
ARCHIVE_SHA256 = "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63"
# It serves a handful of schemas: little memory, and a start that doesn't wait for the optimising compiler.
JAVA_OPTIONS = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.net.preferIPv4Stack=true",
]


class Registry(Server):
    """One schema registry on 127.0.0.1."""

    name: ClassVar[str] = "Apicurio Registry"

    @property
    def version(self) -> str:
        """The registry's version."""
        return VERSION

    @property
    def url(self) -> str:
        """The address for clients of Confluent's API."""
        return f"http://{LOOPBACK}:{self.port}/apis/ccompat/v7"

    @property
    def own_url(self) -> str:
        """The address for clients of Apicurio's own API, in the version that its converter for Kafka Connect speaks."""
        return f"http://{LOOPBACK}:{self.port}/apis/registry/v2"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _is_initialised(self) -> bool:
        return self._data.exists()

    def _prepare(self) -> None:
        self._data.mkdir(exist_ok=True)

    def _command(self) -> list[str]:
        properties = {
            "quarkus.http.host": LOOPBACK,
            "quarkus.http.port": str(self.port),
            # Without these two it also listens on port 9000 of every interface.
            "quarkus.management.host": LOOPBACK,
            "quarkus.management.port": str(free_port()),
            # In a file: in memory, a restart would give the same ids to other schemas. Written at each commit, and not
            # half a second later, for servers are killed here.
            "apicurio.datasource.url": f"jdbc:h2:file:{self._data / 'registry'};WRITE_DELAY=0",
        }
        jar = registry_program() / "quarkus-run.jar"
        options = [f"-D{name}={value}" for name, value in properties.items()]
        return [java_program(), *JAVA_OPTIONS, *options, "-jar", str(jar)]

    def _answers(self) -> bool:
        return does_serve(f"{self.url}/subjects")


def start_registry(folder: Path) -> Registry:
    """Start a schema registry with its data in `folder` and return it when clients are served.

    Raises UnavailableError, ServerError.
    """
    registry = Registry(folder)
    registry.start()
    return registry


def registry_program() -> Path:
    """Return the folder with the registry's program, fetched if it is missing. Raises UnavailableError."""

    def build(folder: Path) -> str:
        say(f"fetching Apicurio Registry {VERSION} from Maven Central (159 MB, once; about 20 s) …")
        fetch_archive(folder, ARCHIVE, ARCHIVE_SHA256)
        return VERSION

    return part("apicurio-registry", build, VERSION)
