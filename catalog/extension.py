"""What the catalog adds to the job core; the composition root calls `install` once a process.

The core's registries take its aggregates, tables and messages, and its two jobs. How repositories
and builds follow runs is `CatalogFollower`, which the composition root hands to the commands.
"""

from catalog import build_rows, repository_rows
from catalog.build import Build
from catalog.built_in_jobs import SPECS
from catalog.messages import BUILD_TYPES, REPOSITORY_TYPES, build_messages, repository_messages
from catalog.repository import Repository
from domain import topics
from domain.jobs.definition import add_built_in_jobs
from projections import messages, tables


def install() -> None:
    """Add the catalog to this process; a second call changes nothing."""
    add_built_in_jobs(SPECS)
    topics.add(Repository, Build)
    tables.add(repository_rows.TABLE, build_rows.TABLE)
    messages.add("repository", repository_messages, REPOSITORY_TYPES)
    messages.add("build", build_messages, BUILD_TYPES)
