"""Hides the service's own files from processes in which handlers run.

Such a process sees the file system in its own way: over each hidden directory lies an empty one,
over each hidden file one without content. It is in a user namespace of its own, so it cannot take
those off, and has no power over processes outside: whoever it is, it cannot read their environment,
memory or descriptors. Root is still root to files, but no more to the machine.

Run as a program, isolated and without site-packages, it hides files from a command. Arguments: a
JSON list of paths, and the command; without one, the exit code tells whether files can be hidden.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

if __name__ == "__main__":
    sys.path.append(__file__.rsplit("/", 5)[0])  # Isolated: nothing of ours is found.

from runtime.process_control import PR_SET_DUMPABLE, control

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x8_0000

_EMPTY = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC


def hide(paths: list[str]) -> bool:
    """Hide these directories and files from this process, which must have a single thread.

    Return whether that was possible: in many containers nobody may have namespaces of their own.
    """
    if sys.platform != "linux":
        return False
    try:
        _hide(paths)
    except OSError:
        return False
    return True


def _hide(paths: list[str]) -> None:
    control(PR_SET_DUMPABLE, 1)  # Else the helper could not write down who is who.
    if os.geteuid() == 0:
        # What was covered before the user namespace began cannot be uncovered in it.
        _call("unshare", CLONE_NEWNS)
        _cover(paths)
        _enter_namespaces()
    else:
        # Its capabilities are gone with the next program.
        _enter_namespaces()
        _cover(paths)


def _cover(paths: list[str]) -> None:
    # What is mounted outside later on is seen here, too, but not the other way round.
    _mount("none", "/", None, MS_REC | MS_SLAVE, None)
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - pathlib would double the start's time
            _mount("none", path, "tmpfs", _EMPTY, "size=4k,mode=555")
        elif os.path.exists(path):  # noqa: PTH110
            _mount("/dev/null", path, None, MS_BIND, None)


def _enter_namespaces() -> None:
    """Enter new ones; a helper that stays outside writes down who is who in them."""
    own = os.getpid()
    entered, entering = os.pipe()
    helper = os.fork()
    if helper == 0:
        os.close(entering)
        _help(entered, own)
    os.close(entered)
    try:
        _call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
        os.write(entering, b"\n")
    finally:
        os.close(entering)
        _, status = os.waitpid(helper, 0)
    if status != 0:
        raise OSError("nobody could write down who is who in the namespace")


def _help(entered: int, pid: int) -> None:
    code = 1
    try:
        if os.read(entered, 1):
            _name_users(pid)
            code = 0
    finally:
        os._exit(code)


def _name_users(pid: int) -> None:
    """Let all be who they are: for root everybody, for others they themselves."""
    if os.geteuid() == 0:
        users = _known("uid_map")
        groups = _known("gid_map")
    else:
        users = f"{os.geteuid()} {os.geteuid()} 1\n"
        groups = f"{os.getegid()} {os.getegid()} 1\n"
        _write(pid, "setgroups", "deny")
    _write(pid, "uid_map", users)
    _write(pid, "gid_map", groups)


def _known(kind: str) -> str:
    """Return a map of all that this process knows to themselves."""
    lines = []
    with open(f"/proc/self/{kind}") as file:  # noqa: PTH123
        for line in file:
            first, _, count = line.split()
            own = f"{first} {first} {count}\n"
            lines.append(own)
    return "".join(lines)


def _write(pid: int, name: str, content: str) -> None:
    with open(f"/proc/{pid}/{name}", "w") as file:  # noqa: PTH123
        file.write(content)


def _mount(
    source: str, target: str, kind: str | None, flags: int, options: str | None
) -> None:
    _call(
        "mount",
        _encoded(source),
        _encoded(target),
        _encoded(kind),
        flags,
        _encoded(options),
    )


def _encoded(text: str | None) -> bytes | None:
    if text is None:
        return None
    return os.fsencode(text)


def _call(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library[name](*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def main() -> None:
    """Become the command, from which the files are hidden where the system can."""
    hidden = hide(json.loads(sys.argv[1]))
    command = sys.argv[2:]
    if not command:
        sys.exit(not hidden)
    os.execv(command[0], command)  # noqa: S606 - the worker's own interpreter


if __name__ == "__main__":
    main()
