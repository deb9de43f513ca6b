"""What clients send: shapes and ranges of single fields (contract, sections 2 to 4).

Rules between fields are the domain's.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from domain.build import Wanted
from domain.clock import from_iso
from domain.job_definition import Spec
from domain.launching import Launch
from domain.repository import App

_MAX_DELAY_MS = 86_400_000
_MAX_INT = 2**31 - 1
_YEAR_MS = 31_536_000_000


def _time(value: object) -> datetime:
    if not isinstance(value, str):
        msg = "must be a time such as 2026-11-24T14:31:04.123Z"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns a ValueError into a message
    try:
        return from_iso(value)
    except OverflowError:  # 9999-12-31T23:59:59-01:00 lies in the year 10000.
        msg = "must lie between the years 1 and 9999, in UTC"
        raise ValueError(msg) from None


JsonObject = dict[str, Any]
TimeoutMs = Annotated[int, Field(ge=1_000, le=86_400_000)]
Attempts = Annotated[int, Field(ge=1, le=10)]
DelayMs = Annotated[int, Field(ge=0, le=_MAX_DELAY_MS)]
Priority = Annotated[int, Field(ge=-100, le=100)]
Time = Annotated[datetime, BeforeValidator(_time, json_schema_input_type=str)]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$", max_length=100)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class RetryPolicyBody(_Body):
    """When failed attempts are tried again."""

    max_attempts: Attempts | None = None
    strategy: Literal["none", "fixed", "exponential"] | None = None
    initial_delay_ms: DelayMs | None = None
    max_delay_ms: DelayMs | None = None
    jitter: Literal["none", "full", "equal"] | None = None


class ResourcesBody(_Body):
    """What an attempt may use."""

    cpus: Annotated[float, Field(gt=0, le=1_024)] | None = None
    memory_mb: Annotated[int, Field(ge=1, le=_MAX_INT)] | None = None
    gpus: Annotated[int, Field(ge=0, le=1_024)] | None = None


class _DefinitionFields(_Body):
    parameters_schema: JsonObject | None = None
    default_parameters: JsonObject | None = None
    timeout_ms: TimeoutMs | None = None
    retry_policy: RetryPolicyBody | None = None
    metadata: Any = None
    runtime: Literal["python", "node", "docker", "module"] | None = None
    output_schema: JsonObject | None = None
    priority: Priority | None = None
    max_concurrent_runs: Annotated[int, Field(ge=1, le=_MAX_INT)] | None = None
    concurrency_key: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    start_deadline_ms: Annotated[int, Field(ge=1, le=_YEAR_MS)] | None = None
    resources: ResourcesBody | None = None

    def changes(self) -> dict[str, Any]:
        """Return the fields that were given, by `Spec`'s names; null has become the field's default."""
        given = {name: getattr(self, name) for name in self.model_fields_set if name not in {"slug", "version"}}
        for name in ("retry_policy", "resources"):
            part = given.get(name)
            if isinstance(part, BaseModel):
                given[name] = part.model_dump(by_alias=True, exclude_none=True)
        return {name: _default(name) if value is None else value for name, value in given.items()}


Version = Annotated[int, Field(ge=1, le=_MAX_INT)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
EntryPoint = Annotated[str, Field(min_length=1, max_length=256)]
JobType = Literal["batch", "service-triggered", "manual"]


class JobBody(_DefinitionFields):
    """A job to register."""

    slug: Slug
    name: Name
    version: Version | None = None
    type: JobType
    entry_point: EntryPoint

    def spec(self) -> Spec:
        """Return the definition's content."""
        return Spec(**self.changes())


class JobPatch(_DefinitionFields):
    """Fields of a job to change; each given one replaces the old."""

    name: Name | None = None
    version: Version | None = None
    type: JobType | None = None
    entry_point: EntryPoint | None = None

    @field_validator("name", "type", "entry_point", mode="before")
    @classmethod
    def _stays(cls, value: object) -> object:
        if value is None:
            msg = "cannot be null: every job needs one"
            raise ValueError(msg)
        return value


class LaunchBody(_Body):
    """A run to launch; what is left out is as the definition says."""

    parameters: JsonObject | None = None
    timeout_ms: TimeoutMs | None = None
    max_attempts: Attempts | None = None
    context: JsonObject | None = None
    scheduled_at: Time | None = None
    delay_ms: Annotated[int, Field(ge=0, le=10 * _YEAR_MS)] | None = None
    start_deadline_ms: Annotated[int, Field(ge=1, le=_YEAR_MS)] | None = None
    priority: Priority | None = None

    def launch(self, idempotency_key: str | None, sent: JsonObject) -> Launch:
        """Return the command."""
        if self.model_fields_set <= _PARAMETERS:  # Nearly all.
            return Launch(parameters=self.parameters or {}, idempotency_key=idempotency_key, body=sent)
        given = {name: getattr(self, name) for name in LaunchBody.model_fields if name != "parameters"}
        return Launch(parameters=self.parameters or {}, idempotency_key=idempotency_key, body=sent, **given)


_PARAMETERS = frozenset({"parameters"})


class CancelBody(_Body):
    """Why to cancel."""

    reason: Annotated[str, Field(max_length=1_000)] | None = None


class EraseBody(_Body):
    """Whom to erase, and why; the log keeps the reason for ever, so it should name nobody."""

    subject: Annotated[str, Field(min_length=1)] | int
    reason: Annotated[str, Field(max_length=1_000)] | None = None


class TagBody(_Body):
    """A tag."""

    key: Annotated[str, Field(min_length=1, max_length=100)]
    value: Annotated[str, Field(min_length=1, max_length=200)]


_SCHEMES = frozenset({"file", "http", "https", "git", "ssh"})


def _repo_url(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        msg = "must hold no control characters and no spaces around it"  # `urlsplit` passes over them, git does not.
        raise ValueError(msg)
    if value.startswith("/"):
        return value
    parts = urlsplit(value)
    has_place = bool(parts.netloc) or (parts.scheme == "file" and bool(parts.path))
    if parts.scheme not in _SCHEMES or not has_place:
        msg = "must be an absolute path or a file:, http:, https:, git: or ssh: URL"
        raise ValueError(msg)
    return _without_password(parts) if "@" in parts.netloc else value


def _without_password(parts: SplitResult) -> str:
    """Leave out what may be a secret: the log keeps all for ever. Credentials are the operator's to configure."""
    userinfo, _, place = parts.netloc.rpartition("@")
    user = userinfo.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@{place}" if parts.scheme == "ssh" and user else place))


def _git_name(value: str) -> str:
    # Git's own rules (git-check-ref-format), as far as they keep a name from being an option, a range or a path.
    odd = any(character in " ~^:?*[\\" or not character.isprintable() for character in value)
    if odd or value.startswith(("-", "/")) or value.endswith(("/", ".", ".lock")) or ".." in value or "@{" in value:
        msg = "must be the name of a branch, a tag or a commit"
        raise ValueError(msg)
    return value


class AppBody(_Body):
    """An app to add to the catalog."""

    id: Annotated[str, Field(pattern=r"^[^\s/\x00-\x1f\x7f?#][^/\x00-\x1f\x7f?#]*$", min_length=1, max_length=100)]
    name: Name
    description: Annotated[str, Field(max_length=10_000)] | None = None
    repo_url: Annotated[str, Field(min_length=1, max_length=2_000), AfterValidator(_repo_url)]
    dockerfile_path: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    tags: Annotated[list[TagBody], Field(max_length=100)] | None = None

    def app(self) -> App:
        """Return the command's content."""
        return App(
            id=self.id,
            name=self.name,
            description=self.description or "",
            repo_url=self.repo_url,
            dockerfile_path=self.dockerfile_path or "Dockerfile",
            tags=[tag.model_dump() for tag in self.tags or []],
        )


GitName = Annotated[str, Field(min_length=1, max_length=250), AfterValidator(_git_name)]


class BuildBody(_Body):
    """What to build; the newest commit of the default branch if nothing is said."""

    branch: GitName | None = None
    ref: GitName | None = None

    def wanted(self) -> Wanted:
        """Return the command's content."""
        return Wanted(git_branch=self.branch, git_ref=self.ref)


def _default(name: str) -> Any:
    field = Spec.__dataclass_fields__[name]
    return field.default_factory() if callable(field.default_factory) else field.default
