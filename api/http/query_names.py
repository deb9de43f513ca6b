"""Names in a query: one that nothing reads is refused, for a misspelt filter would find all."""

from collections.abc import Collection
from difflib import get_close_matches

from starlette.requests import HTTPConnection

from domain.errors import InvalidInputError, Issue

PRIVATE = "_"
"""What begins with it is somebody else's, such as a number against caches."""

SIMILAR = 0.6
"""How alike a name must be to be suggested: 1 is the same."""


def refuse_unknown_names(request: HTTPConnection, known: Collection[str]) -> None:
    """Raise InvalidInputError if the query has other names; each is told the nearest right one."""
    if not request.scope["query_string"]:
        return
    unknown = [
        name
        for name in dict.fromkeys(request.query_params.keys())
        if name not in known and not name.startswith(PRIVATE)
    ]
    if unknown:
        raise InvalidInputError(
            [Issue(f"/{name}", _message(name, known), "enum") for name in unknown]
        )


def _message(name: str, known: Collection[str]) -> str:
    what = "is no parameter of this address"
    if not known:
        return f"{what}; it takes none"
    similar = get_close_matches(name, known, n=1, cutoff=SIMILAR)
    if similar:
        return f"{what}; did you mean {similar[0]}?"
    names = ", ".join(sorted(known))
    return f"{what}; there are {names}"
