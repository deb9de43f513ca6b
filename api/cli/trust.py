"""What those say who check seals."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import SealKey


@dataclass(frozen=True)
class TrustOptions:
    """Which seals are believed."""

    seal_key: SealKey = None
    public_key: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Trusted keys, if not those of the key that seals the log.",
        ),
    ] = None
