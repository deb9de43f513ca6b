"""What a package above the API adds to it: routes, shapes of messages, texts of the reference.

The composition root hands the extensions to `build_app`. Each has a part of its own in a running
service, which its `start` makes; its routes get this part by `part_of`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from api.bootstrap.service import Service
from api.reference import OpenApiTexts
from domain.json_values import JsonObject
from eventlog.history.reader import Step
from projections.messages import NO_DETAILS


class ExtensionPart(Protocol):
    """An extension's part of a running service."""

    @property
    def subjects(self) -> frozenset[str]:
        """Return the kinds of aggregates whose messages have details."""

    async def details_of(self, step: Step) -> JsonObject:
        """Return what an event's messages show beside its row, as it is at present.

        Raises:
            LogUnavailableError: the database is away; the stream tries again.
        """


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An extension of the API.

    Attributes:
        name: the name by which `part_of` returns its part.
        routers: its routes.
        shapes: by the beginning of a message's type, the field that such messages of the stream
            have, and the field's shape.
        openapi_texts: descriptions and examples of its routes and shapes.
        start: makes its part of a running service.
    """

    name: str
    routers: Sequence[APIRouter]
    shapes: Mapping[str, tuple[str, type[BaseModel]]]
    openapi_texts: OpenApiTexts
    start: Callable[[Service], ExtensionPart]


class ExtensionParts:
    """The extensions' parts in a process, and what they add to the stream's messages."""

    def __init__(self, extensions: Sequence[Extension], service: Service) -> None:
        self.by_name = {extension.name: extension.start(service) for extension in extensions}
        self._by_subject = {
            subject: part for part in self.by_name.values() for subject in part.subjects
        }

    async def details_of(self, step: Step) -> JsonObject:
        """Return what an event's messages show beside its row: nothing for most events."""
        part = self._by_subject.get(step.event.subject)
        if part is None or step.event.unreadable is not None:
            return NO_DETAILS
        return await part.details_of(step)


def part_of(connection: HTTPConnection, name: str) -> ExtensionPart:
    """Return the part of a running extension."""
    parts: ExtensionParts = connection.app.state.parts
    return parts.by_name[name]
