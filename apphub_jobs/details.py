"""What a handler's context says of the run and its definition, by name and, as before, by key."""

from collections.abc import Mapping
from typing import Any


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
        """Which attempt this is: 1 for the first."""
        attempt: int = self["attempt"]
        return attempt

    @property
    def max_attempts(self) -> int:
        """How many attempts the run may have."""
        most: int = self["maxAttempts"]
        return most

    @property
    def is_last_attempt(self) -> bool:
        """Whether a failure of this attempt fails the run."""
        return self.attempt >= self.max_attempts

    @property
    def context(self) -> Mapping[str, Any]:
        """What the launch and earlier attempts have put into the run's context."""
        context: Mapping[str, Any] = self["context"]
        return context


class DefinitionDetails(dict[str, Any]):
    """The job's definition, in the version that the run is pinned to."""

    @property
    def slug(self) -> str:
        """The job's slug."""
        return str(self["slug"])

    @property
    def version(self) -> int:
        """The definition's version: 1 for the first."""
        version: int = self["version"]
        return version

    @property
    def name(self) -> str:
        """What people read."""
        return str(self["name"])

    @property
    def type(self) -> str:
        """`batch`, `service-triggered` or `manual`."""
        return str(self["type"])

    @property
    def entry_point(self) -> str:
        """The name by which this handler was found."""
        return str(self["entryPoint"])

    @property
    def timeout_ms(self) -> int | None:
        """How long an attempt may run; None if there is no limit."""
        timeout_ms: int | None = self["timeoutMs"]
        return timeout_ms

    @property
    def retry_policy(self) -> Mapping[str, Any] | None:
        """When failed attempts are tried again: `maxAttempts`, `strategy`, `initialDelayMs`, …."""
        policy: Mapping[str, Any] | None = self["retryPolicy"]
        return policy

    @property
    def metadata(self) -> Any:
        """What was kept with the definition."""
        return self["metadata"]

    @property
    def resources(self) -> Mapping[str, Any] | None:
        """What an attempt may use: `cpus`, `memoryMb`, `gpus`."""
        resources: Mapping[str, Any] | None = self["resources"]
        return resources

    @property
    def isolation(self) -> str:
        """Whether each attempt has a process to itself (`process`), or many share one."""
        return str(self.get("isolation", "process"))
