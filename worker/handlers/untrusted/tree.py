"""A cloned tree, read within bounds: of place, of a file's size, and of a search's length."""

import codecs
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

MAX_TEXT_BYTES = 1_048_576
"""Of a manifest or README; what is longer is no such thing."""

MAX_DEPTH = 6
MAX_ENTRIES = 5_000

SKIPPED = frozenset(
    {".git", ".hg", ".svn", "node_modules", ".next", "dist", "build", "out", ".cache"}
)


_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # Begins as UTF-16 does.
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Tree:
    """The files of a clone."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def text(self, relative: str, most: int = MAX_TEXT_BYTES) -> str | None:
        """Return a file's text, what is no character of it replaced; None as for `content`.

        It is UTF-8, or what its byte order mark says: some editors write UTF-16.
        """
        content = self.content(relative, most)
        if content is None:
            return None
        marked = (name for mark, name in _ENCODINGS if content.startswith(mark))
        text = content.decode(next(marked, "utf-8-sig"), "replace")
        return text.replace("\x00", "")

    def content(self, relative: str, most: int) -> bytes | None:
        """Return a file's bytes; None if none such is inside, or it has more than `most`."""
        path = self.inside(relative)
        if path is None or path.stat().st_size > most:
            return None
        return path.read_bytes()

    def head(self, relative: str, most: int) -> bytes:
        """Return the first bytes of a file, `most` of them; none if no such file is inside."""
        path = self.inside(relative)
        if path is None:
            return b""
        with path.open("rb") as file:
            return file.read(most)

    def inside(self, relative: str) -> Path | None:
        """Return a regular file's path, its links followed; None if it lies outside of the tree.

        Git's own files are no part of the tree.
        """
        try:
            path = (self.root / relative).resolve()
            is_inside = path.is_relative_to(self.root)
            is_gits = path.is_relative_to(self.root / ".git")
            if not is_inside or is_gits or not path.is_file():
                return None
        except (OSError, ValueError, RuntimeError):
            # Names that no file can have; links in a circle.
            return None
        return path

    def spelled(self, relative: str) -> str | None:
        """Return the path of a file as the tree spells it: as given, or else with other capitals.

        None if no such file is inside. Links to directories are followed only as given.
        """
        if self.inside(relative) is not None:
            return relative
        names = relative.split("/")
        return next(self._alike(self.root, names), None)

    def _alike(self, directory: Path, parts: Sequence[str]) -> Iterator[str]:
        """Yield the files below a directory whose paths are these parts, whatever their case."""
        part, *rest = parts
        for entry in _alike_entries(directory, part):
            if not rest:
                relative = str(entry.relative_to(self.root))
                if self.inside(relative) is not None:
                    yield relative
            elif entry.is_dir() and not entry.is_symlink():
                yield from self._alike(entry, rest)

    def walk(self) -> Iterator[str]:
        """Yield files breadth first and by name, as relative paths, within depth and number.

        Links to files inside the tree count; those to directories are not followed.
        """
        queue = deque([(self.root, 0)])
        seen = 0
        while queue:
            directory, depth = queue.popleft()
            for entry in sorted(directory.iterdir(), key=lambda path: path.name):
                seen += 1
                if seen > MAX_ENTRIES:
                    return
                relative = str(entry.relative_to(self.root))
                if entry.is_symlink():
                    if self.inside(relative) is not None:
                        yield relative
                elif entry.is_dir():
                    if entry.name not in SKIPPED and depth < MAX_DEPTH:
                        queue.append((entry, depth + 1))
                elif entry.is_file():
                    yield relative


def _alike_entries(directory: Path, name: str) -> list[Path]:
    """Return a directory's entries of this name, whatever their case; the very name first."""
    wanted = name.casefold()
    entries = directory.iterdir()
    alike = [entry for entry in entries if entry.name.casefold() == wanted]

    def place(entry: Path) -> tuple[bool, str]:
        return entry.name != name, entry.name

    return sorted(alike, key=place)
