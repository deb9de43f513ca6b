"""Hides the service's files, and those of other attempts, from handlers' processes.

Such a process has mounts of its own: an empty directory covers each hidden directory, an empty file
each hidden file, and all other files that are not its own are read-only. It is also in a user
namespace of its own, so it cannot unmount the covers and has no power over processes outside:
whatever its user, it cannot read their environment, memory or descriptors. Root can access files as
before, but not those of the machine (block devices, the kernel's settings).

As a program, run isolated and without site-packages, it executes a command with a view. Arguments:
the view as JSON, and the command; without one, the exit code shows what the system supports.
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
"""Exit codes of a trial without a command, if the system does not support the view."""

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

_COVER_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC

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
"""The flags of mounts by their names in `mountinfo`. A remount must repeat them: leaving one out
would clear it, which is forbidden in a user namespace."""

_MACHINE_FILES = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""Files of the kernel with which root controls the machine, even without capabilities."""

_RAW_DEVICES = ("mem", "kmem", "port", "sg", "nvme", "ng")


class View:
    """A process's view of the file system.

    Attributes:
        hidden: directories and files that it does not see.
        own: its own directory, which it sees even inside a hidden one; "" for none.
        writable: other directories and files that it may change, with their content; None if it may
            change whatever its user may.
        fixed: directories and files within these that it must not change.
        withheld: ids of users that do not exist in its namespace, so that root in it cannot access
            their files.
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


def apply_view(view: View) -> bool:
    """Give this process, which must have a single thread, a view of the file system.

    Returns:
        Whether that was possible; many containers forbid namespaces. `is_read_only` returns whether
        other files are read-only.
    """
    if sys.platform != "linux":
        return False
    try:
        _enter_view(view)
    except OSError:
        return False
    return True


def is_read_only() -> bool:
    """Return whether the system's files are read-only to this process."""
    return bool(os.statvfs("/").f_flag & os.ST_RDONLY)


def _enter_view(view: View) -> None:
    if os.geteuid() == 0:
        # Covers that are mounted before the user namespace is entered cannot be unmounted in it.
        try:
            _system_call("unshare", CLONE_NEWNS)
        except PermissionError:  # Root of a container may mount only in a namespace of its own.
            _enter_namespaces(view.withheld)
        _mount_view(view)
        _enter_namespaces(view.withheld)
    else:
        # The capability to unmount ends with the next program.
        _enter_namespaces(view.withheld)
        _mount_view(view)


def _mount_view(view: View) -> None:
    # Later mounts outside appear in this namespace, but none of its mounts appear outside.
    _mount("none", "/", None, MS_REC | MS_SLAVE, None)
    if view.writable is not None:
        _make_read_only([*view.writable, view.own], view.fixed)
    if os.geteuid() == 0:
        _cover_devices()
    _cover(view.hidden, view.own)


def _make_read_only(writable: list[str], fixed: list[str]) -> None:
    """Make all directories but these read-only, as far as the kernel permits it."""
    if "/" in writable:
        return
    for path in sorted(filter(os.path.exists, writable)):
        _mount(path, path, None, MS_BIND | MS_REC, None)
    unchanged = (*writable, "/proc")
    try:
        for point, flags in _mount_points():
            if not _is_within(point, unchanged):
                _set_read_only(point, flags)
        for path in filter(os.path.exists, (*fixed, *_MACHINE_FILES)):
            if _is_within(path, unchanged):
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
        # For example, another mount covers this one by now, so that it cannot be accessed.
        return


def _mount_points() -> list[tuple[str, int]]:
    """Return the mount points, each with the flags that a remount must repeat."""
    points = []
    with open("/proc/self/mountinfo", "rb") as file:  # noqa: PTH123
        for line in file:
            _, _, _, _, escaped, options, *_ = line.split()
            point = os.fsdecode(escaped.decode("unicode_escape").encode("latin-1"))
            points.append((point, _parse_flags(options.decode())))
    return points


def _flags_of(path: str) -> int:
    """Return the flags of the last mount at a path."""
    return [flags for point, flags in _mount_points() if point == path][-1]


def _parse_flags(options: str) -> int:
    flags = 0
    for name in options.split(","):
        flags |= _FLAGS.get(name, 0)
    if not flags & (MS_NOATIME | MS_RELATIME):
        flags |= MS_STRICTATIME
    return flags


def _is_within(path: str, directories: Iterable[str]) -> bool:
    """Return whether a path is one of these directories, or is in one of them."""
    return any(f"{path}/".startswith(f"{directory}/") for directory in directories if directory)


def _cover_devices() -> None:
    """Cover the devices from which root could read hidden files."""
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
    """Cover these paths, but not the process's own directory."""
    own_descriptor = None
    if own:
        own_descriptor = os.open(own, os.O_RDONLY | os.O_DIRECTORY)
    # In this order, a path within another one no longer exists when it comes up.
    for path in sorted(paths):
        if os.path.isdir(path):  # noqa: PTH112 - pathlib would double the start's time
            if own_descriptor is not None and _is_within(own, [path]):
                _cover_all_but(path, own, own_descriptor)
            else:
                _mount("none", path, "tmpfs", _COVER_FLAGS, "size=4k,mode=555")
        elif os.path.exists(path):  # noqa: PTH110
            _mount("/dev/null", path, None, MS_BIND, None)
    if own_descriptor is not None:
        os.close(own_descriptor)
    # Otherwise, relative paths would still lead from the old working directory to covered files.
    os.chdir(os.getcwd())  # noqa: PTH109


def _cover_all_but(path: str, own: str, own_descriptor: int) -> None:
    """Cover a directory with one that contains only the process's own directory."""
    _mount("none", path, "tmpfs", _COVER_FLAGS & ~MS_RDONLY, "size=64k,mode=755")
    os.makedirs(own, exist_ok=True)  # noqa: PTH103
    _mount(f"/proc/self/fd/{own_descriptor}", own, None, MS_BIND | MS_REC, None)
    _mount("none", path, None, MS_REMOUNT | MS_BIND | _COVER_FLAGS, None)


def _enter_namespaces(withheld: list[int]) -> None:
    """Enter new namespaces; a child process that stays outside writes their id maps."""
    set_process_option(PR_SET_DUMPABLE, 1)  # Otherwise the child could not write them.
    own_pid = os.getpid()
    reading_end, writing_end = os.pipe()
    helper = os.fork()
    if helper == 0:
        os.close(writing_end)
        _write_maps_and_exit(reading_end, own_pid, withheld)
    os.close(reading_end)
    try:
        _system_call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
        os.write(writing_end, b"\n")
    finally:
        os.close(writing_end)
        _, status = os.waitpid(helper, 0)
    if status != 0:
        raise OSError("the ids of users in the namespace could not be written")


def _write_maps_and_exit(reading_end: int, pid: int, withheld: list[int]) -> None:
    """Wait until the process has entered its namespaces, write its id maps, and exit."""
    code = 1
    try:
        if os.read(reading_end, 1):
            _write_id_maps(pid, withheld)
            code = 0
    finally:
        os._exit(code)


def _write_id_maps(pid: int, withheld: list[int]) -> None:
    """Map ids to themselves: for root all but the withheld ones, for other users their own only."""
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
    """Return a map of this process's ids to themselves, without the withheld ones."""
    lines = []
    with open(f"/proc/self/{kind}") as file:  # noqa: PTH123
        for line in file:
            first, _, count = map(int, line.split())
            end = first + count
            gaps = [number for number in sorted(withheld) if first <= number < end]
            for number in (*gaps, end):
                if number > first:
                    lines.append(f"{first} {first} {number - first}\n")
                first = number + 1
    return "".join(lines)


def _write(pid: int, name: str, content: str) -> None:
    with open(f"/proc/{pid}/{name}", "w") as file:  # noqa: PTH123
        file.write(content)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    _system_call("mount", _encode(source), _encode(target), _encode(kind), flags, _encode(options))


def _encode(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _system_call(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library[name](*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def main() -> None:
    """Execute the command, with the view if the system supports it."""
    is_applied = apply_view(View(**json.loads(sys.argv[1])))
    command = sys.argv[2:]
    if not command:
        sys.exit(_trial_exit_code(is_applied=is_applied))
    os.execv(command[0], command)  # noqa: S606 - the worker's own interpreter


def _trial_exit_code(*, is_applied: bool) -> int:
    if not is_applied:
        return NOT_HIDDEN
    return 0 if is_read_only() else NOT_READ_ONLY


if __name__ == "__main__":
    main()
