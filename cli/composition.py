"""Puts the program together: the job core, and the catalog as its first extension.

To import this module adds the catalog to the core's registries: every command that reads a log or
its tables does, most of them by `cli.log_access`.
"""

from collections.abc import Sequence

from catalog import extension
from catalog.follower import CatalogFollower
from domain.run_followers import RunFollower

extension.install()

FOLLOWERS: Sequence[RunFollower] = (CatalogFollower(),)
"""Whose aggregates follow runs, in every process that changes runs."""
