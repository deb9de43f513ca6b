"""What one client, and all of them together, may cost: `docs/operations.md` tells operators."""

MAX_HEAD_BYTES = 65_536
"""The first line and the headers of a request."""

MAX_HEADERS = 128

HEAD_S = 10.0
"""How long a request's head may take, and how long a new connection may say nothing."""

MAX_BODY_BYTES = 1_048_576
"""Parameters are read with every list of runs; a megabyte is generous, and far from what hurts the
log."""

BODY_S = 10.0
MIN_BODY_BYTES = 163_840
"""So much of a body must come in each so many seconds, or its rest."""

SMALL_BODY_BYTES = 16_384

INCOMING_BYTES = 16_777_216
"""What larger bodies may hold together, from first byte to answer. Beyond, they wait."""

SLOW_BODY_S = 2.0
"""For how long a body may come while others wait. One that is not there then is cut off."""

PARSED_BYTES = 8_388_608
"""Larger bodies that may be parsed, or worked on, at a time: each is thirty times as big then."""

UNSENT_BYTES = 67_108_864
"""What may wait to be sent to clients that do not take it. Beyond, those that have taken nothing
for the longest time are cut off."""

TAKE_S = 20.0
"""A client that takes nothing of its answer for so long is cut off."""

KEEP_ALIVE_S = 5
"""How long a connection waits for its next request."""

MAX_DISCARDED_BYTES = 8_388_608
"""What may still come of a body after its answer. Who goes on then is cut off."""

LINGER_S = 5.0
"""How long a client that was refused may still send. Were it cut off at once, it might not see
why."""

MAX_CONNECTIONS = 2_048

MAX_WEBSOCKETS = MAX_CONNECTIONS * 3 // 4
"""The rest is for requests, so that streams alone keep nobody from asking."""

MAX_MESSAGE_BYTES = 65_536
"""The longest message that a client may send over a WebSocket; all that it has to say is `ping`."""

BUFFER_BYTES = 32_768
"""What the system keeps of what a client has sent and we have not read; all of it is read at
once."""

INLET_S = 0.004
INLET_PAUSE_S = 0.016
"""So long what clients send over WebSockets is read, and then not: at most a fifth of the loop's
time."""

RESERVED_DESCRIPTORS = 256
"""What the database's connections and files need beside clients."""

CLOSE_CLIENTS_S = 5
"""How long open requests and streams may take to end once the server stops."""

LAST_WORDS_S = 2
"""How long a stream's end may take to reach the client; one that reads nothing is cut off
instead."""
