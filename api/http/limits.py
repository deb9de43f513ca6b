"""What one client, and all of them together, may cost: `docs/operations.md` tells operators."""

MAX_HEAD_BYTES = 65_536
"""The first line and the headers of a request."""

MAX_HEADERS = 128

HEAD_S = 10.0
"""How long a request's head may take, and how long a new connection may say nothing."""

BODY_S = 10.0
MIN_BODY_BYTES = 40_960
"""So much of a body must come in each so many seconds, or its rest."""

KEEP_ALIVE_S = 5
"""How long a connection waits for its next request."""

MAX_PIPELINED = 16
"""Requests that may wait on one connection for the answer to another one."""

MAX_DISCARDED_BYTES = 8_388_608
"""What may still come of a body after its answer. Who goes on then is cut off."""

LINGER_S = 5.0
"""How long a client that was refused may still send. Were it cut off at once, it might not see
why."""

MAX_CONNECTIONS = 2_048

RESERVED_DESCRIPTORS = 256
"""What the database's connections and files need beside clients."""

CLOSE_CLIENTS_S = 5
"""How long open requests and streams may take to end once the server stops."""

LAST_WORDS_S = 2
"""How long a stream's end may take to reach the client; one that reads nothing is cut off
instead."""
