"""How reading a repository can fail."""

from apphub_jobs.contract import PermanentError


class GitError(Exception):
    """Git failed; the message is what it said, without credentials. Another try may do better."""


class RefusedError(GitError, PermanentError):
    """The repository is not read: a rule or a bound of this service forbids it, and would again."""


class CanceledError(Exception):
    """The run was canceled while git worked."""
