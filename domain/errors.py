"""The errors of commands. The API translates them into HTTP codes."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong with the input.

    Attributes:
        path: JSON Pointer into the body, for example `/parameters/a`.
        message: the rule and the remedy, for the answer only: it may quote the input.
        keyword: the rule's name: a keyword of JSON Schema or one of our own.
        rule: the rule itself as JSON, for example the schema under that keyword, or "". It quotes
            nothing of the input.
    """

    path: str
    message: str
    keyword: str
    rule: str = ""

    def recorded(self, personal: Collection[str] = ()) -> str:
        """Return the issue as the log may keep it: the path and the rule, nothing of the input.

        Args:
            personal: pointers to personal values. A path below one is cut there, as the name of a
                member may be a person's.
        """
        path = self.path
        for pointer in personal:
            if path.startswith(f"{pointer}/"):
                path = pointer
        rule = f": {self.rule}" if self.rule else ""
        return f'{path} breaks "{self.keyword}"{rule}'


class DomainError(Exception):
    """Base of the errors that clients receive.

    Attributes:
        code: a stable snake_case word for programs.
        message: a sentence for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def recorded(self, personal: Collection[str] = ()) -> str:  # noqa: ARG002 - for those below
        """Return the error as the log may keep it: its message may quote the input.

        Args:
            personal: as in `Issue.recorded`.
        """
        return self.code.replace("_", " ")


class InvalidInputError(DomainError):
    """The input breaks a rule; nothing was written."""

    def __init__(self, issues: list[Issue]) -> None:
        message = "; ".join(f"{issue.path}: {issue.message}" for issue in issues)
        super().__init__("validation_failed", message)
        self.issues = issues

    def recorded(self, personal: Collection[str] = ()) -> str:
        """Return where the input breaks which rules."""
        return "; ".join(issue.recorded(personal) for issue in self.issues)


def refuse(issues: Sequence[Issue]) -> None:
    """Raise InvalidInputError if anything is wrong."""
    if issues:
        raise InvalidInputError(list(issues))


class TooCostlyError(DomainError):
    """A query costs more than one client may; it was canceled, or not begun.

    Attributes:
        issues: what makes it costly, with the remedy.
    """

    def __init__(self, issues: Sequence[Issue]) -> None:
        message = "; ".join(f"{issue.path}: {issue.message}" for issue in issues)
        super().__init__("query_too_costly", message)
        self.issues = issues


class NotFoundError(DomainError):
    """The thing that the command names does not exist."""


class ConflictError(DomainError):
    """The command contradicts the state of the thing it names."""


def key_reused() -> ConflictError:
    """Return the error for an idempotency key that belongs to another request."""
    message = "this Idempotency-Key came with another body before; use a new key for a new request"
    return ConflictError("idempotency_key_reused", message)


class StaleExecutionError(ConflictError):
    """A worker reports for an execution that is not, or no longer, its own: the fence held."""

    def __init__(self, message: str) -> None:
        super().__init__("stale_execution", message)


class RunIsThereError(ConflictError):
    """The unique slot of a new run is held by another run, which is kept.

    Attributes:
        run_id: the run that is kept.
    """

    def __init__(self, run_id: UUID) -> None:
        message = f"run {run_id} is there, and runs of its job are unique; it is kept"
        super().__init__("run_is_there", message)
        self.run_id = run_id

    def recorded(self, personal: Collection[str] = ()) -> str:  # noqa: ARG002 - of the base
        """Return the message, which quotes nothing but an id of our own."""
        return self.message


class QuarantinedError(ConflictError):
    """The command concerns something whose events this version of the program cannot read."""

    def __init__(self, message: str) -> None:
        super().__init__("quarantined", message)


@dataclass(frozen=True)
class MissingRead:
    """Something that a decision under the log's lock lacks.

    Attributes:
        read: reads it, without the lock, and keeps it for the decision.
        forget: called once the decision has been made.
    """

    read: Callable[[], Awaitable[None]]
    forget: Callable[[], None]


class MissingReadsError(DomainError):
    """A decision under the log's lock needs something that takes too long to read there.

    Attributes:
        reads: make these, and then decide again.
    """

    def __init__(self, reads: Sequence[MissingRead]) -> None:
        super().__init__("not_at_hand", "something must be read before this is decided")
        self.reads = reads


class UnreadableEventError(ValueError):
    """This version of the program cannot read an event: it is newer, or corrupted."""


class WorkerLostError(Exception):
    """A worker that was declared lost claims runs.

    It must stop what it executes, and register again under a new id.
    """


class VersionConflictError(Exception):
    """Another command appended to the aggregate first: load it again, and decide again."""


class SlotTakenError(VersionConflictError):
    """A unique slot is held by another run than the decision was made on."""


class LogUnavailableError(Exception):
    """The log could not be reached; certainly nothing was written."""


class SubjectKeysUnavailableError(LogUnavailableError):
    """Personal data can neither be read nor written: the master key is missing, or another one.

    Certainly nothing was written. The message is for operators.
    """


class PositionsUsedError(LogUnavailableError):
    """The log would give new events positions before those of existing ones.

    Certainly nothing was written. The message is for operators.
    """


@dataclass
class OutcomeUnknownError(Exception):
    """The connection was lost during the commit, so it is not known whether that succeeded.

    Attributes:
        ids: by which a client can look up the outcome later, that of the command's subject first.
    """

    ids: Sequence[str] = ()


class OverloadedError(Exception):
    """Too many commands are waiting for the log; certainly nothing was written."""
