"""Small trees of files, to be read as an app's repository."""

import logging
from collections.abc import Callable

from catalog.handlers.untrusted import Tree

Plant = Callable[..., Tree]

LOG = logging.getLogger("tests.ingestion")
