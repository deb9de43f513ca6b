"""What is wrong with a request, in an answer of bounded size however much is wrong."""

from collections.abc import Sequence

from domain.errors import Issue
from domain.schema.dialects import shortened

MAX_ISSUES = 100
MAX_CHARACTERS = 65_536
"""More than this helps nobody, and a body of a megabyte can be wrong in a hundred thousand ways."""


def bounded(issues: Sequence[Issue]) -> list[Issue]:
    """Return the first issues with shortened texts; the last one tells how many more there are."""
    shown: list[Issue] = []
    characters = 0
    for issue in issues[:MAX_ISSUES]:
        short = Issue(shortened(issue.path), shortened(issue.message), issue.keyword)
        characters += len(short.path) + len(short.message)
        if characters > MAX_CHARACTERS:
            break
        shown.append(short)
    more = len(issues) - len(shown)
    if more:
        shown.append(Issue("", f"and {more} more", "maxIssues"))
    return shown
