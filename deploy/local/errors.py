"""Errors of the local servers, in words for the person at the keyboard.

LocalError               says what failed, why, and what to do; shown without a traceback
├── UnavailableError     a server's program could not be had (no network, other system, changed content)
└── ServerError          a server did not start, or is not in the state that the call needs
"""


class LocalError(Exception):
    """A problem with a local server that its text explains to a person."""


class UnavailableError(LocalError):
    """A server's program could not be fetched, unpacked or run on this machine."""


class ServerError(LocalError):
    """A server did not start, ended early, or is not in the state that the call needs."""
