"""Puts the program together: the job core, and the catalog as its first extension.

Importing this module adds the catalog to the core's registries. Every command that reads a log or
its tables imports it, most of them through `cli.log_access`.
"""

from collections.abc import Sequence

from catalog import extension
from catalog.follower import CatalogFollower
from domain.run_followers import RunFollower

extension.install()

FOLLOWERS: Sequence[RunFollower] = (CatalogFollower(),)
"""The followers of runs that every process which changes runs hands to the commands."""
