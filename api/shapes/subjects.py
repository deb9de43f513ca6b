"""Erasing a person's data: what clients send and what they see."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from api.shapes.base import Shape, described
from api.shapes.fields import _Body


@described(
    "A subject whose personal data cannot be read any more:"
    " what a client still holds of them should go, too."
)
class ErasedSubject(Shape):
    """A subject whose personal data cannot be read any more."""

    key_id: str = Field(
        description="of the key that is destroyed; events name it where its data were"
    )
    reason: str | None
    runs: int = Field(description="how many runs held its data")
    erased_at: AwareDatetime


class Erasure(ErasedSubject):
    """What an erasure did, and where in the log it stands."""

    position: int


class EraseBody(_Body):
    """Whom to erase, and why; the log keeps the reason for ever, so it should name nobody."""

    subject: Annotated[str, Field(min_length=1)] | int
    reason: Annotated[str, Field(max_length=1_000)] | None = None
