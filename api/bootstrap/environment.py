"""Which environment this is, so that nobody takes production for a place to try things."""

from dataclasses import dataclass
from enum import StrEnum


class Colour(StrEnum):
    """The colours that an environment may be marked with."""

    RED = "red"
    ORANGE = "orange"
    GREEN = "green"
    BLUE = "blue"
    PURPLE = "purple"
    GREY = "grey"


@dataclass(frozen=True)
class Environment:
    """What the dashboard calls the service.

    Attributes:
        name: such as `production`; empty for none.
        colour: of the mark beside the name. Where it is red, dangerous actions ask for the name.
    """

    name: str = ""
    colour: Colour = Colour.GREY
