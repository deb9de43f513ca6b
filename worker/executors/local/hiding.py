"""Hides the service's own files, and others' attempts, from processes in which handlers run.

Such a process has mounts of its own: an empty directory covers each hidden directory, an empty file
each hidden file; all other files that are not its own are read-only. It is in a user namespace of
its own, so it cannot unmount the covers, and has no power over processes outside: whatever its
user, it cannot read their environment, memory or descriptors. Root can access files as before, but
not those of the machine (block devices, the kernel's settings).

Run as a program, isolated and without site-packages, it executes a command with a view. Arguments:
the view as JSON, and the command; without one, the exit code says what the system supports.
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
import sys

if __name__ == "__main__":
    sys.path.append(__file__.rsplit("/", 4)[0])  # Isolated: the service is not in the path.

from runtime.process import PR_SET_DUMPABLE, set_process_option

# Type checkers know the name; importing typing would cost a third of the start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


NOT_HIDDEN = 1
NOT_READ_ONLY = 2
"""Exit codes without a command, where the system does not support this."""

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_NOSYMFOLLOW = 0x100
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x8_0000
MS_RELATIME = 0x20_0000
MS_STRICTATIME = 0x100_0000

_EMPTY = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC

_FLAGS = {
    "ro": MS_RDONLY,
    "nosuid": MS_NOSUID,
    "nodev": MS_NODEV,
    "noexec": MS_NOEXEC,
    "nosymfollow": MS_NOSYMFOLLOW,
    "noatime": MS_NOATIME,
    "nodiratime": MS_NODIRATIME,
    "relatime": MS_RELATIME,
}
"""Flags of a mount by their names in `mountinfo`: a remount without one of them clears it, which a
user namespace may not do."""

_MACHINE_FILES = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""Files of the kernel by which root controls the machine, whatever its capabilities."""

_RAW_DEVICES = ("mem", "kmem", "port", "sg", "nvme", "ng")


class View:
    """A process's view of the file system.

    Attributes:
        hidden: directories and files that it does not see.
        own: its own directory, which it sees even inside a hidden one; "" for none.
        writable: other directories and files that it may change, with all that is in them; None if
            it may change whatever its user may.
        fixed: directories and files in those that it may not change.
        withheld: ids of users that do not exist in its namespace, so that it cannot access their
            files as root.
    """

    def __init__(
        self,
        hidden: list[str],
        own: str = "",
        writable: list[str] | None = None,
        fixed: list[str] | None = None,
        withheld: list[int] | None = None,
    ) -> None:
        self.hidden = hidden
        self.own = own
        self.writable = writable
        self.fixed = fixed or []
        self.withheld = withheld or []


def hide(view: View) -> bool:
    """Give this process, which must have a single thread, a view of the file system.

    Returns:
        whether that was possible: many containers forbid namespaces. Whether other files are
        read-only is a question to `is_read_only`.
    """
    if sys.platform != "linux":
        return False
    try:
        _hide(view)
    except OSError:
        return False
    return True


def is_read_only() -> bool:
    """Return whether the system's files are read-only to this process."""
    return bool(os.statvfs("/").f_flag & os.ST_RDONLY)


def _hide(view: View) -> None:
    if os.geteuid() == 0:
        # Covers that were mounted before the user namespace began cannot be unmounted in it.
        try:
            _system_call("unshare", CLONE_NEWNS)
        except PermissionError:  # Root of a container may mount only in a namespace of its own.
            _enter_namespaces(view.withheld)
        _arrange(view)
        _enter_namespaces(view.withheld)
    else:
        # Its capabilities end with the next program.
        _enter_namespaces(view.withheld)
        _arrange(view)


def _arrange(view: View) -> None:
    # Later mounts outside appear here, too, but not the other way round.
    _mount("none", "/", None, MS_REC | MS_SLAVE, None)
    if view.writable is not None:
        _make_read_only([*view.writable, view.own], view.fixed)
    if os.geteuid() == 0:
        _cover_machine()
    _cover(view.hidden, view.own)


def _make_read_only(writable: list[str], fixed: list[str]) -> None:
    """Make all but these directories read-only; do nothing where the kernel refuses."""
    if "/" in writable:
        return
    for path in sorted(filter(os.path.exists, writable)):
        _mount(path, path, None, MS_BIND | MS_REC, None)
    kept = (*writable, "/proc")
    try:
        for point, flags in _mounted():
            if not _is_below(point, kept):
                _set_read_only(point, flags)
        for path in filter(os.path.exists, (*fixed, *_MACHINE_FILES)):
            if _is_below(path, kept):
                _mount(path, path, None, MS_BIND | MS_REC, None)
                _set_read_only(path, _flags_of(path))
    except PermissionError:
        return


def _set_read_only(point: str, flags: int) -> None:
    try:
        _mount("none", point, None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, None)
    except PermissionError:
        raise
    except OSError:
        # Such as a mount below another one by now, which cannot be accessed.
        return


def _mounted() -> list[tuple[str, int]]:
    """Return the mount points, with the flags that must stay."""
    mounts = []
    with open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123
        for line in file:
            _, _, _, _, escaped, options, *_ = line.split()
            point = os.fsdecode(escaped.decode("unicode_escape").encode("latin-1"))
            mounts.append((point, _flags_named(options.decode())))
    return mounts


def _flags_of(path: str) -> int:
    """Return the flags of the last mount at a path."""
    return [flags for point, flags in _mounted() if point == path][-1]


def _flags_named(options: str) -> int:
    flags = 0
    for name in options.split(","):
        flags |= _FLAGS.get(name, 0)
    if not flags & (MS_NOATIME | MS_RELATIME):
        flags |= MS_STRICTATIME
    return flags


def _is_below(path: str, directories: Iterable[str]) -> bool:
    """Return whether a path is one of these, or lies in one."""
    return any(f"{path}/".startswith(f"{one}/") for one in directories if one)


def _cover_machine() -> None:
    """Cover the devices by which root could read covered files."""
    for directory in ("/dev", "/dev/mapper"):
        if not os.path.isdir(directory):  # noqa: PTH112
            continue
        with os.scandir(directory) as entries:
            devices = [entry for entry in entries if not entry.is_symlink()]
        for device in devices:
            mode = device.stat(follow_symlinks=False).st_mode
            is_raw = device.name.startswith(_RAW_DEVICES) and stat.S_ISCHR(mode)
            if stat.S_ISBLK(mode) or is_raw:
                _mount("/dev/null", device.path, None, MS_BIND, None)


def _cover(paths: list[str], own: str) -> None:
    directory = None
    if own:
        directory = os.open(own, os.O_RDONLY | os.O_DIRECTORY)
    # A path inside another one of them is covered with that.
    for path in sorted(paths):
        if os.path.isdir(path):  # noqa: PTH112 - pathlib would double the start's time
            if directory is not None and _is_below(own, [path]):
                _cover_all_but(path, own, directory)
            else:
                _mount("none", path, "tmpfs", _EMPTY, "size=4k,mode=555")
        elif os.path.exists(path):  # noqa: PTH110
            _mount("/dev/null", path, None, MS_BIND, None)
    if directory is not None:
        os.close(directory)
    # Else relative paths would still lead from the old working directory to covered files.
    os.chdir(os.getcwd())  # noqa: PTH109


def _cover_all_but(path: str, own: str, directory: int) -> None:
    """Cover a directory by one that contains nothing but the process's own directory."""
    _mount("none", path, "tmpfs", _EMPTY & ~MS_RDONLY, "size=64k,mode=755")
    os.makedirs(own, exist_ok=True)  # noqa: PTH103
    _mount(f"/proc/self/fd/{directory}", own, None, MS_BIND | MS_REC, None)
    _mount("none", path, None, MS_REMOUNT | MS_BIND | _EMPTY, None)


def _enter_namespaces(withheld: list[int]) -> None:
    """Enter new namespaces; a child process that stays outside writes their id maps."""
    set_process_option(PR_SET_DUMPABLE, 1)  # Else it could not write them.
    own = os.getpid()
    entered, entering = os.pipe()
    helper = os.fork()
    if helper == 0:
        os.close(entering)
        _write_id_maps(entered, own, withheld)
    os.close(entered)
    try:
        _system_call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
        os.write(entering, b"\n")
    finally:
        os.close(entering)
        _, status = os.waitpid(helper, 0)
    if status != 0:
        raise OSError("the ids of users in the namespace could not be written")


def _write_id_maps(entered: int, pid: int, withheld: list[int]) -> None:
    code = 1
    try:
        if os.read(entered, 1):
            _map_ids(pid, withheld)
            code = 0
    finally:
        os._exit(code)


def _map_ids(pid: int, withheld: list[int]) -> None:
    """Map ids to themselves: for root all but those withheld, for another user its own."""
    if os.geteuid() == 0:
        users = _id_map("uid_map", withheld)
        groups = _id_map("gid_map", [])
    else:
        users = f"{os.geteuid()} {os.geteuid()} 1\n"
        groups = f"{os.getegid()} {os.getegid()} 1\n"
        _write(pid, "setgroups", "deny")
    _write(pid, "uid_map", users)
    _write(pid, "gid_map", groups)


def _id_map(kind: str, withheld: list[int]) -> str:
    """Return a map of this process's ids to themselves, without those withheld."""
    lines = []
    with open(f"/proc/self/{kind}") as file:  # noqa: PTH123
        for line in file:
            first, _, count = map(int, line.split())
            end = first + count
            within = [number for number in sorted(withheld) if first <= number < end]
            for number in (*within, end):
                if number > first:
                    lines.append(f"{first} {first} {number - first}\n")
                first = number + 1
    return "".join(lines)


def _write(pid: int, name: str, content: str) -> None:
    with open(f"/proc/{pid}/{name}", "w") as file:  # noqa: PTH123
        file.write(content)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    _system_call(
        "mount", _encoded(source), _encoded(target), _encoded(kind), flags, _encoded(options)
    )


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _system_call(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library[name](*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def main() -> None:
    """Execute the command, with the view where the system supports that."""
    hidden = hide(View(**json.loads(sys.argv[1])))
    command = sys.argv[2:]
    if not command:
        sys.exit(_trial_result(hidden=hidden))
    os.execv(command[0], command)  # noqa: S606 - the worker's own interpreter


def _trial_result(*, hidden: bool) -> int:
    if not hidden:
        return NOT_HIDDEN
    return 0 if is_read_only() else NOT_READ_ONLY


if __name__ == "__main__":
    main()
