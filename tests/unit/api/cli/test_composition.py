"""Every command that reads a log, or its tables, is composed with the catalog."""

import grimp

from cli.main import COMMANDS, GROUPS

FLOORS = ("cli", "catalog", "api", "worker", "eventlog", "projections", "domain")

REGISTRIES = {"domain.topics", "projections.tables", "projections.messages"}
"""What the catalog adds to."""


def test_every_command_that_reads_a_log_knows_the_catalog() -> None:
    graph = grimp.build_graph(
        "cli", "catalog", "api", "worker", "eventlog", "projections", "domain"
    )
    modules = {name.partition(":")[0] for name in [*COMMANDS.values(), *GROUPS.values()]}
    reached = {module: graph.find_upstream_modules(module) for module in modules}
    readers = {module for module in modules if not REGISTRIES.isdisjoint(reached[module])}
    assert {"cli.events", "cli.projections", "cli.sql", "cli.start.serve"} <= readers
    assert [one for one in sorted(readers) if "cli.composition" not in reached[one]] == []
