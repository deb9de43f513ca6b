"""The service's environment: its name and colour in the dashboard, and its documented variables.

First the name and the colour, by which the dashboard marks production; then the variables that are
no options of the command line: the documentation lists them.
"""

from dataclasses import dataclass
from enum import StrEnum


class Colour(StrEnum):
    """The colour of an environment in the dashboard."""

    RED = "red"
    ORANGE = "orange"
    GREEN = "green"
    BLUE = "blue"
    PURPLE = "purple"
    GREY = "grey"


@dataclass(frozen=True)
class Environment:
    """The service's name in the dashboard.

    Attributes:
        name: such as `production`; empty for none.
        colour: the mark's colour. If it is red, dangerous actions ask for the name.
    """

    name: str = ""
    colour: Colour = Colour.GREY


@dataclass(frozen=True)
class Variable:
    """A documented variable of the environment.

    Attributes:
        name: its name, or several of one kind, separated by `, `.
        default: the value that counts while it is not set, in Markdown; empty for none.
        meaning: what it does, in Markdown.
    """

    name: str
    default: str
    meaning: str


LIBRARY_VARIABLES = (
    Variable(
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL, …",
        "",
        "how the store of `--logs-store s3://…` is reached, as for every S3 client",
    ),
    Variable(
        "PGPASSFILE, PGSSLKEY, PGSSLMODE, …",
        "",
        "what `--database-url` leaves out, as for every PostgreSQL client",
    ),
    Variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, …",
        "",
        "where [traces](tracing.md) are sent, and which, as for every program with OpenTelemetry",
    ),
    Variable(
        "XDG_DATA_HOME",
        "`~/.local/share`",
        "where the data directory of an ordinary user lies, as `apphub-jobs` in it",
    ),
    Variable("TMPDIR", "`/tmp`", "where the working directories of attempts and builds lie"),
    Variable("NO_COLOR", "", "anything: no colours on the terminal"),
)
