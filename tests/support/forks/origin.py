"""What processes of the service are forked from: it has imported all that they need.

An order comes over the socket whose descriptor is its argument: a line of JSON and the three
descriptors of the new process' output, errors and of whom its number and exit code are told.
"""

import gc
import json
import os
import signal
import socket
import sys
from importlib import import_module

import cli.__main__ as program
from cli import main as commands
from tests.support.forks.children import PARENTS, fork_in_advance
from tests.support.forks.forked import Order, imported

MAX_BYTES = 1_000_000
"""An order's size: an environment and a command."""


def take_orders(orders: socket.socket) -> None:
    """Fork a process for each order, until nobody can give any more; return in each fork."""
    while True:
        order, descriptors, _, _ = socket.recv_fds(orders, MAX_BYTES, 3)
        if not order:
            os._exit(0)
        if os.fork() == 0:
            orders.close()
            _begin(json.loads(order), *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _begin(order: Order, output: int, errors: int, channel: int) -> None:
    """Become the process that was ordered, below one that tells of it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid != 0:
        for descriptor in (output, errors):
            os.close(descriptor)
        _tell(pid, channel)
    os.close(channel)
    os.setsid()
    for ours, theirs in ((output, 1), (errors, 2)):
        os.dup2(ours, theirs)
        os.close(ours)
    os.chdir(order["directory"])
    sys.path[0] = order["directory"]
    os.environ.clear()
    os.environ.update(order["environment"])
    # What it shows of itself as a program.
    sys.modules["__main__"].__package__ = program.__package__
    sys.argv = [str(program.__file__), *order["command"]]
    if order["command"][0] in PARENTS:
        fork_in_advance()


def _tell(pid: int, channel: int) -> None:
    """Tell the process' number, and how it ended once it has."""
    # Who freezes or ends all of the terminal's processes means the service alone.
    os.setsid()
    os.write(channel, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(channel, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for path in imported().values():
        import_module(path.partition(":")[0])
    gc.collect()
    gc.freeze()
    take_orders(socket.socket(fileno=int(sys.argv[1])))
    commands.main()
