"""What builds images on this machine, asked before anything needs it."""

from collections.abc import Mapping
from dataclasses import dataclass

from apphub_jobs.contract import PermanentError
from domain.jobs.reserved import BUILD_ENTRY_POINT
from domain.json_values import JsonObject
from worker.handlers.building.builders.builder import BuildSettings
from worker.handlers.building.builders.choice import usable


@dataclass(frozen=True)
class Builder:
    """Whether there is a builder.

    Attributes:
        told: its version, or what to do where there is none.
    """

    usable: bool
    told: str


def builder_found(settings: Mapping[str, JsonObject]) -> Builder:
    """Return which builder the built-in handlers would use.

    Args:
        settings: what they are told, by entry point.
    """
    try:
        chosen = BuildSettings.read(settings[BUILD_ENTRY_POINT])
        _, version = usable(chosen, _ignore)
    except PermanentError as error:
        return Builder(usable=False, told=str(error))
    return Builder(usable=True, told=version)


def _ignore(why: str) -> None:
    del why
