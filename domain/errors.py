"""What a command may answer instead of doing its work. HTTP codes are the API's business."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong with the input.

    Attributes:
        path: JSON Pointer into the body, for example `/parameters/a`.
        message: what the rule is, and what would be right. It may quote the input, so it is for
            the answer alone.
        keyword: the rule's name: a JSON Schema keyword or a word of ours.
        rule: what the rule says, for example the schema under that keyword, as JSON; nothing of
            the input. It may be "".
    """

    path: str
    message: str
    keyword: str
    rule: str = ""

    def recorded(self, personal: Collection[str] = ()) -> str:
        """Return what the log may keep of it: where, and which rule, but nothing of the input.

        Args:
            personal: pointers to personal values. What is below one of them is left out: a member's
                name may be a person's.
        """
        path = self.path
        for pointer in personal:
            if path.startswith(f"{pointer}/"):
                path = pointer
        rule = f": {self.rule}" if self.rule else ""
        return f'{path} breaks "{self.keyword}"{rule}'


class DomainError(Exception):
    """Base of all answers that are no success.

    Attributes:
        code: a stable snake_case word for programs.
        message: a sentence for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def recorded(self, personal: Collection[str] = ()) -> str:  # noqa: ARG002 - for those below
        """Return what the log may keep of it: the message may quote a client's input.

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
    """A query costs more than one client may take; it was ended, or not even begun.

    Attributes:
        issues: what makes it so, and what helps.
    """

    def __init__(self, issues: Sequence[Issue]) -> None:
        message = "; ".join(f"{issue.path}: {issue.message}" for issue in issues)
        super().__init__("query_too_costly", message)
        self.issues = issues


class NotFoundError(DomainError):
    """The thing that the command names does not exist."""


class ConflictError(DomainError):
    """The command contradicts the state of the thing it names."""


class StaleExecutionError(ConflictError):
    """A worker reports for an execution that is not, or no longer, its own: the fence held."""

    def __init__(self, message: str) -> None:
        super().__init__("stale_execution", message)


class RunIsThereError(ConflictError):
    """A run of a job whose runs are unique is kept, and so there is no other one.

    Attributes:
        run_id: of the one that is kept.
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


class NotAtHandError(DomainError):
    """A decision under the log's lock lacks what takes too long to be read there.

    Attributes:
        fetches: read it, for the decision to be made once more. Call them without the lock.
    """

    def __init__(self, fetches: Sequence[Callable[[], Awaitable[object]]]) -> None:
        super().__init__("not_at_hand", "something must be read before this is decided")
        self.fetches = fetches


class UnreadableEventError(ValueError):
    """This version of the program cannot read an event: a newer one wrote it, or it is spoilt."""


class WorkerLostError(Exception):
    """A worker that has been declared lost claims runs.

    It must stop what it runs, and come back under a new id.
    """


class VersionConflictError(Exception):
    """Someone else appended to the same aggregate first. Reload, decide again."""


class ValueTakenError(VersionConflictError):
    """Of a job whose runs are unique, another run has the value, or no longer the one that had."""


class LogUnavailableError(Exception):
    """The log could not be reached; certainly nothing was written."""


class SubjectKeysUnavailableError(LogUnavailableError):
    """Personal data can neither be read nor written: the master key is missing, or another one.

    Certainly nothing was written. The message is for operators.
    """


class PositionsUsedError(LogUnavailableError):
    """The positions that the log would give to new events lie before others that are taken.

    Certainly nothing was written. The message is for operators.
    """


@dataclass
class OutcomeUnknownError(Exception):
    """The log went away while it committed, and did not come back to say whether it did.

    Attributes:
        ids: by which a client can look up the outcome later, first that of the command's subject.
    """

    ids: Sequence[str] = ()


class OverloadedError(Exception):
    """Too many commands wait for the log already; certainly nothing was written."""
