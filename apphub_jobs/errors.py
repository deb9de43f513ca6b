"""Errors that all clients of the service share."""


class ClientError(Exception):
    """Base of all errors of clients."""


class StreamRefusedError(ClientError):
    """The service will not serve this stream, however often it is asked; the message says why."""
