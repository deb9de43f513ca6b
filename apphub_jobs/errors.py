"""Errors that all clients of the service share."""


class ClientError(Exception):
    """Base of all errors of clients."""


class StreamRefusedError(ClientError):
    """The service refuses this stream for good; the message says why."""
