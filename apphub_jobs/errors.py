"""Errors that all clients of the service share."""


class ClientError(Exception):
    """Base of all errors of clients."""


class MissingFieldError(ClientError, KeyError):
    """An answer lacks a field: another server sent it, or an older version of the service."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._name = name

    def __str__(self) -> str:
        """Return what is missing, and what to check."""
        return (
            f"the answer has no field {self._name!r}: is the address that of AppHub Jobs,"
            " and does a version run there that has it?"
        )


class StreamRefusedError(ClientError):
    """The service refuses this stream for good; the message says why."""
