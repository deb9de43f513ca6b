"""A cloned tree, read within bounds: nothing outside of it, no file beyond a size, no search without an end."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

MAX_TEXT_BYTES = 1_048_576
"""Of a manifest or README; what is longer is no such thing."""

MAX_DEPTH = 6
MAX_ENTRIES = 5_000

SKIPPED = frozenset(
    {".git", ".hg", ".svn", "node_modules", ".next", "dist", "build", "out", ".cache"}
)


class Tree:
    """The files of a clone."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def text(self, relative: str, most: int = MAX_TEXT_BYTES) -> str | None:
        """Return a file's text (what is no UTF-8 replaced), or None: no such file, too large, or not inside."""
        content = self.content(relative, most)
        return (
            None if content is None else content.decode("utf-8-sig", "replace").replace("\x00", "")
        )

    def content(self, relative: str, most: int) -> bytes | None:
        """Return a file's bytes, or None: no such file, more than `most` bytes, or not inside."""
        path = self.inside(relative)
        return None if path is None or path.stat().st_size > most else path.read_bytes()

    def inside(self, relative: str) -> Path | None:
        """Return the path of a regular file that lies in the tree even after its links are followed, else None.

        Git's own files are no part of the tree.
        """
        try:
            path = (self.root / relative).resolve()
            if not path.is_relative_to(self.root) or path.is_relative_to(self.root / ".git"):
                return None
            return path if path.is_file() else None
        except (OSError, ValueError, RuntimeError):
            # Names that no file can have; links in a circle.
            return None

    def walk(self) -> Iterator[str]:
        """Yield files breadth first and alphabetically, as relative paths, within depth and number."""
        queue = deque([(self.root, 0)])
        seen = 0
        while queue:
            directory, depth = queue.popleft()
            for entry in sorted(directory.iterdir(), key=lambda path: path.name):
                seen += 1
                if seen > MAX_ENTRIES:
                    return
                if entry.is_symlink():
                    continue
                if entry.is_dir():
                    if entry.name not in SKIPPED and depth < MAX_DEPTH:
                        queue.append((entry, depth + 1))
                elif entry.is_file():
                    yield str(entry.relative_to(self.root))
