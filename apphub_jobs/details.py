"""The run and its definition in a handler's context: dictionaries with typed properties."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast


def parse_time(text: str) -> datetime:
    """Return a time of the service's JSON; Python 3.10 does not read `Z` itself."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


class RunDetails(dict[str, Any]):
    """The run that an attempt belongs to, as it was when the attempt began."""

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self["id"])

    @property
    def slug(self) -> str:
        """The job's slug."""
        return str(self["slug"])

    @property
    def attempt(self) -> int:
        """The number of this attempt: 1 for the first."""
        return cast("int", self["attempt"])

    @property
    def max_attempts(self) -> int:
        """The maximum number of attempts of the run."""
        return cast("int", self["maxAttempts"])

    @property
    def is_last_attempt(self) -> bool:
        """Whether a failure of this attempt fails the run."""
        return self.attempt >= self.max_attempts

    @property
    def context(self) -> Mapping[str, Any]:
        """The run's context, as the launch and earlier attempts have set it."""
        return cast("Mapping[str, Any]", self["context"])


class DefinitionDetails(dict[str, Any]):
    """The job's definition, in the version that the run is pinned to."""

    @property
    def slug(self) -> str:
        """The job's slug."""
        return str(self["slug"])

    @property
    def version(self) -> int:
        """The definition's version: 1 for the first."""
        return cast("int", self["version"])

    @property
    def name(self) -> str:
        """The job's name for people."""
        return str(self["name"])

    @property
    def type(self) -> str:
        """`batch`, `service-triggered` or `manual`."""
        return str(self["type"])

    @property
    def entry_point(self) -> str:
        """The name under which workers register the handler."""
        return str(self["entryPoint"])

    @property
    def timeout_ms(self) -> int | None:
        """How long an attempt may run; None if there is no limit."""
        return cast("int | None", self["timeoutMs"])

    @property
    def retry_policy(self) -> Mapping[str, Any] | None:
        """When failed attempts are retried: `maxAttempts`, `strategy`, `initialDelayMs`, …."""
        return cast("Mapping[str, Any] | None", self["retryPolicy"])

    @property
    def metadata(self) -> Any:
        """Any JSON that is stored with the definition."""
        return self["metadata"]

    @property
    def resources(self) -> Mapping[str, Any] | None:
        """The resources of an attempt: `cpus`, `memoryMb`, `gpus`."""
        return cast("Mapping[str, Any] | None", self["resources"])

    @property
    def isolation(self) -> str:
        """`process` if each attempt has a process of its own, `shared` if attempts share one."""
        return str(self.get("isolation", "process"))
