"""Limits of what one client, and all clients together, may cost (`docs/operations.md`).

The queue of a stream's client is limited in `api/stream/hub.py`. Names end in the unit: `_S` are
seconds.
"""

MAX_HEAD_BYTES = 65_536
"""The request line and the headers of a request."""

MAX_HEADERS = 128

HEAD_S = 10.0
"""How long a request's head may take to arrive, and how long a new connection may be silent."""

MAX_BODY_BYTES = 1_048_576
"""Parameters are read with every list of runs: a megabyte is generous and does not hurt the log."""

BODY_S = 10.0
MIN_BODY_BYTES = 163_840
"""In each `BODY_S`, at least `MIN_BODY_BYTES` of a body must arrive, or the rest of it."""

SMALL_BODY_BYTES = 16_384

MAX_INCOMING_BYTES = 16_777_216
"""What larger bodies may hold together, from the first byte to the response. Beyond that they are
paused."""

SLOW_BODY_S = 2.0
"""How long a body may be read while others are paused. An incomplete one is then rejected."""

MAX_PARSED_BYTES = 8_388_608
"""Larger bodies that may be parsed, or handled, at a time: each is then thirty times as big."""

MAX_UNSENT_BYTES = 67_108_864
"""What responses may buffer for clients that do not read. Beyond that, the connections that have
made no progress for the longest time are aborted."""

STALLED_CLIENT_S = 20.0
"""A connection whose client reads nothing of its response for this long is aborted."""

KEEP_ALIVE_S = 5
"""How long a connection may be idle between requests."""

MAX_DISCARDED_BYTES = 8_388_608
"""What a client may still send of a body after its response. Beyond that it is aborted."""

LINGER_S = 5.0
"""How long a rejected client may still send. If its connection were aborted at once, it might not
get to read the response."""

MAX_CONNECTIONS = 2_048

MAX_STREAM_SHARE = 0.75
"""Of the connections: those of WebSockets, server-sent events and followed logs. The rest is for
requests, so that streams alone cannot keep clients from sending any."""

MAX_MESSAGE_BYTES = 65_536
"""The longest message that a client may send over a WebSocket; clients only need `ping`."""

SOCKET_BUFFER_BYTES = 32_768
"""What the kernel buffers for a connection that is not read; a resumed connection reads it at
once."""

READ_BUDGET_S = 0.004
READ_PAUSE_S = 0.016
"""WebSockets are read for `READ_BUDGET_S`, then not for `READ_PAUSE_S`: at most a fifth of the
loop's time."""

RESERVED_DESCRIPTORS = 256
"""Descriptors for the database's connections and files."""

CLOSE_CLIENTS_S = 5
"""How long open requests and streams may take to end once the server stops."""

FINAL_FLUSH_S = 2
"""How long the end of a stream may take to reach its client; a client that does not read is
aborted."""
