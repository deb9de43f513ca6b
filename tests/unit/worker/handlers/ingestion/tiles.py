"""What tests of preview tiles share."""

import logging
from collections.abc import Callable
from typing import Any

LOG = logging.getLogger("tests.previews")

PNG = b"\x89PNG\r\n\x1a\n"

GITHUB = "https://github.com/anna/shop"

Tiles = Callable[..., list[dict[str, Any]]]
