"""What an author's reference to a picture or page becomes: an address for any browser, or nothing.

Only http: and https: lead out of a repository. A file of the repository is shown by its code host,
where that is one of the three big ones, or else becomes part of the app's record as a `data:` URL.
"""

import base64
import posixpath
import re
from urllib.parse import quote, unquote, urlsplit

from worker.handlers.ingestion.image_sizes import HEAD_BYTES, Size, size_of
from worker.handlers.untrusted.texts import redacted, storable
from worker.handlers.untrusted.tree import Tree

MAX_URL = 2_000

MAX_INLINE_BYTES = 1_500_000
"""Of an image that becomes a `data:` URL (contract, section 9)."""

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")

_HOSTS = {  # By the names under which a repository may be reached.
    "github.com": "https://raw.githubusercontent.com/{repository}/{commit}/",
    "ssh.github.com": "https://raw.githubusercontent.com/{repository}/{commit}/",
    "gitlab.com": "https://gitlab.com/{repository}/-/raw/{commit}/",
    "altssh.gitlab.com": "https://gitlab.com/{repository}/-/raw/{commit}/",
    "bitbucket.org": "https://bitbucket.org/{repository}/raw/{commit}/",
    "altssh.bitbucket.org": "https://bitbucket.org/{repository}/raw/{commit}/",
}

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


class ReferenceUnusableError(ValueError):
    """The reference leads nowhere; the message tells why."""


class References:
    """Resolves the references of one clone."""

    def __init__(self, tree: Tree, repo_url: str, commit_sha: str) -> None:
        self._tree = tree
        self._raw_base = raw_base(repo_url, commit_sha)

    def page(self, reference: str) -> str:
        """Return the address of a page, which must be an absolute one.

        Raises:
            ReferenceUnusableError: it is not.
        """
        return absolute(reference)

    def media(self, reference: str, base: str = "") -> str:
        """Return the address of an image or video.

        Args:
            reference: absolute, or relative to the repository's root or else to `base`.
            base: the directory of the file that it stands in.

        Raises:
            ReferenceUnusableError: it is neither an http(s) URL nor an existing file that can be
                shown.
        """
        if _leads_out(reference):
            return absolute(reference)
        path = self._existing(reference, base)
        if self._raw_base is None:
            return self._inlined(path)
        return self._raw_base + quote(path)

    def size(self, reference: str) -> Size | None:
        """Return the sides of an image of the repository; None where nothing tells them."""
        if _leads_out(reference):
            return None
        try:
            path = self._existing(reference, "")
        except ReferenceUnusableError:
            return None
        head = self._tree.head(path, HEAD_BYTES)
        return size_of(head)

    def _existing(self, reference: str, base: str) -> str:
        """Return the path of the file in the repository that is meant."""
        without_query, *_ = re.split(r"[?#]", reference, maxsplit=1)
        unquoted = unquote(without_query)
        for spelled in (unquoted, reference):
            below = spelled.lstrip("/")
            for start in ("", base):
                joined = posixpath.join(start, below)
                path = posixpath.normpath(joined)
                if self._is_shown(path):
                    return path
        raise ReferenceUnusableError("no such file in the repository")

    def _is_shown(self, path: str) -> bool:
        if path.startswith("../") or not storable(path):
            return False
        return self._tree.inside(path) is not None

    def _inlined(self, path: str) -> str:
        content = self._tree.content(path, MAX_INLINE_BYTES)
        if content is None:
            raise ReferenceUnusableError(f"larger than {MAX_INLINE_BYTES} bytes")
        media_type = image_type(path, content)
        if media_type is None:
            raise ReferenceUnusableError("no image of a known kind")
        encoded = base64.b64encode(content)
        text = encoded.decode()
        return f"data:{media_type};base64,{text}"


def _leads_out(reference: str) -> bool:
    return reference.startswith("//") or _SCHEME.match(reference) is not None


def absolute(reference: str) -> str:
    """Return an http(s) URL without user and password; one without a scheme gets https.

    Raises:
        ReferenceUnusableError: it is none.
    """
    url = reference
    if reference.startswith("//"):
        url = f"https:{reference}"
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ReferenceUnusableError("no URL") from None
    is_web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    if not is_web or not _is_plain(url):
        raise ReferenceUnusableError("no http: or https: URL")
    if len(url) > MAX_URL:
        raise ReferenceUnusableError(f"longer than {MAX_URL} characters")
    return redacted(url)


def _is_plain(url: str) -> bool:
    # A browser passes over spaces and control characters, and so would see another scheme.
    return url.isprintable() and " " not in url


def raw_base(repo_url: str, commit_sha: str) -> str | None:
    """Return the address below which the code host shows a commit's files.

    Returns:
        None if it is none of the big three.
    """
    try:
        parts = urlsplit(repo_url)
        usual_port = parts.scheme == "ssh" or parts.port is None
    except ValueError:
        return None
    host = parts.hostname or ""
    name = host.removeprefix("www.")
    template = _HOSTS.get(name)
    if template is None or not usual_port:
        return None
    path = unquote(parts.path).strip("/")
    repository = path.removesuffix(".git")
    if "/" not in repository:
        return None
    return template.format(repository=quote(repository), commit=commit_sha)


def image_type(path: str, content: bytes) -> str | None:
    """Return the media type that the content shows, None if it is no image that browsers know."""
    for signature, media_type in _SIGNATURES.items():
        if content.startswith(signature):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:12] in {b"ftypavif", b"ftypavis"}:
        return "image/avif"
    if path.lower().endswith(".svg") and _looks_like_svg(content):
        return "image/svg+xml"
    return None


def _looks_like_svg(content: bytes) -> bool:
    head = content[:4_096]
    text = head.decode("utf-8-sig", "replace")
    start = text.lstrip()
    return start.startswith("<") and "<svg" in start
