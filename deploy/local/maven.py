"""Files from Maven Central, by way of jgo's resolver: no Maven and no Java needed."""

import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import requests
from jgo.maven import Artifact, MavenContext, PythonResolver
from jgo.parse import Coordinate

from deploy.local.errors import UnavailableError

# A slow mirror may think for long before its first byte; jgo's own 10 s were too short for a 142 MB file.
HTTP_TIMEOUT_SECONDS = 60
# The files are small and many: four at a time take a third of the time and stay polite.
DOWNLOADS_AT_ONCE = 4
# Where Debian and Red Hat keep the certificates that the machine trusts.
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


def fetch_jars(folder: Path, sha256: str, whole: str, *alone: str) -> None:
    """Put into `folder` the jar of `whole` (group:artifact:version) with all it needs, and those of `alone`.

    The latter are not resolved together with `whole`, for their dependency management would change the
    versions of what `whole` needs (log4j's brought an older Kafka client).

    The SHA-256 is that over the names and contents of all jars in `folder`: what we run is what we tried,
    whatever a mirror or a cache on the way answers.
    Raises UnavailableError if something could not be fetched, or is another one.
    """
    staging = folder / ".repository"
    with _fetching(whole):
        artifacts = _resolve(staging, whole, alone)
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            files = list(pool.map(Artifact.resolve, artifacts))
    for file in files:
        file.rename(folder / file.name)
    shutil.rmtree(staging)
    _require_tried(whole, _digest(folder), sha256)


def fetch_archive(folder: Path, archive: str, sha256: str) -> None:
    """Unpack into `folder` the `.tar.gz` of `archive` (group:artifact:version:classifier), which needs nothing else.

    It is unpacked only if it has this SHA-256: then it is what was tried, and leads nowhere outside the folder.
    Raises UnavailableError if it could not be fetched, or is another one.
    """
    staging = folder / ".repository"
    group, artifact, version, classifier = archive.split(":")
    coordinate = Coordinate(group, artifact, version, classifier=classifier, packaging="tar.gz")
    with _fetching(archive):
        file = _context(staging).create_dependency(coordinate).artifact.resolve()
    with file.open("rb") as content_bytes:
        digest = hashlib.file_digest(content_bytes, "sha256").hexdigest()
    _require_tried(file.name, digest, sha256)
    with tarfile.open(file) as content:
        content.extractall(folder)  # noqa: S202 - the digest vouches for it; Python 3.11.2 has no filters
    shutil.rmtree(staging)


def _require_tried(what: str, digest: str, sha256: str) -> None:
    if digest != sha256:
        raise UnavailableError(
            f"What Maven Central sent for {what} is not what this project was tried with "
            f"(SHA-256 {digest}, not {sha256}).\nTry again; if it stays so, tell the developers."
        )


@contextmanager
def _fetching(what: str) -> Iterator[None]:
    """Fetch within; whatever the network does there becomes an UnavailableError."""
    _trust_what_the_machine_trusts()
    try:
        yield
    except (requests.RequestException, RuntimeError, ValueError, OSError) as error:
        raise UnavailableError(
            f"{what} could not be fetched from Maven Central ({type(error).__name__}).\n"
            "Is there a network, and are HTTPS_PROXY and REQUESTS_CA_BUNDLE set if you need them?"
        ) from error


def _trust_what_the_machine_trusts() -> None:
    """Let `requests` use the machine's certificates: its own know nothing of a company's proxy.

    By the environment, since jgo offers no other way; left in place, for other threads may be fetching too.
    """
    if not os.environ.get("REQUESTS_CA_BUNDLE") and not os.environ.get("CURL_CA_BUNDLE"):
        for bundle in filter(os.path.exists, CERTIFICATES):
            os.environ["REQUESTS_CA_BUNDLE"] = bundle
            return


def _context(repository: Path) -> MavenContext:
    return MavenContext(resolver=PythonResolver(), repo_cache=repository, local_repos=[], timeout=HTTP_TIMEOUT_SECONDS)


def _resolve(repository: Path, whole: str, alone: tuple[str, ...]) -> list[Artifact]:
    context = _context(repository)
    root, *others = (context.create_dependency(_coordinate(text)) for text in (whole, *alone))
    roots, needed = context.resolver.resolve([root])
    needed = [dependency for dependency in needed if dependency.scope in ("compile", "runtime")]
    return [dependency.artifact for dependency in [*roots, *needed, *others]]


def _coordinate(text: str) -> Coordinate:
    group, artifact, version = text.split(":")
    return Coordinate(group, artifact, version, packaging="jar", scope="compile")


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for jar in sorted(folder.glob("*.jar")):
        if not zipfile.is_zipfile(jar):
            raise UnavailableError(f"{jar.name} arrived damaged (it is no jar file). Try again.")
        with jar.open("rb") as content:
            total.update(f"{jar.name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
