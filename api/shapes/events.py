"""Events of the log, as clients see them."""

from pydantic import AwareDatetime, Field, JsonValue

from api.shapes.base import Shape


class Subject(Shape):
    """Whose event it is."""

    type: str
    id: str


class Event(Shape):
    """An event of the log."""

    position: int
    event_id: str
    type: str
    subject: Subject
    version: int
    occurred_at: AwareDatetime
    recorded_at: AwareDatetime | None
    actor: str | None
    correlation_id: str | None
    causation_id: str | None
    data: dict[str, JsonValue]


class EventPageMeta(Shape):
    """Where the next page of events begins; null at the log's end."""

    next: int | None


class LogSeal(Shape):
    """How far the log is sealed."""

    position: int = Field(description="of the log's last event")
    sealed_position: int | None = Field(
        description="of the last event that a seal covers; null where there is none"
    )
    seals: int = Field(description="how many there are")
