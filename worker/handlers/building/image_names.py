"""Names of images (contract, section 9)."""

import hashlib
import re

MAX_NAME_LENGTH = 128
"""Of the app's part; registries refuse names beyond 255 characters, their own prefix included."""

_FOREIGN = re.compile(r"[^a-z0-9._-]+")
_SEPARATORS = re.compile(r"[._-]{2,}")


def image_tag(repository_id: str, commit_sha: str) -> str:
    """Return `apphub/NAME:COMMIT`, which every builder, registry and OCI layout takes."""
    return f"apphub/{_name(repository_id)}:{commit_sha[:12]}"


def _name(repository_id: str) -> str:
    dashed = _FOREIGN.sub("-", repository_id.lower())
    # Of two separators in a row, only a double dash may stand in both an image's name and a
    # layout's reference.
    joined = _SEPARATORS.sub(_one_separator, dashed)
    name = joined.strip("._-") or "app"
    if len(name) <= MAX_NAME_LENGTH:
        return name
    id_bytes = repository_id.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(id_bytes).hexdigest()
    told_apart = digest[:12]
    most = MAX_NAME_LENGTH - len(told_apart) - 1
    start = name[:most].rstrip("._-")
    return f"{start}-{told_apart}"


def _one_separator(found: "re.Match[str]") -> str:
    if found.group() == "--":
        return "--"
    return "-"
