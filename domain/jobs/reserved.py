"""The slugs and entry points that belong to the built-in jobs."""

INGEST_SLUG = "repository-ingest"


INGEST_ENTRY_POINT = "catalog.ingestion.processRepository"


BUILD_SLUG = "repository-build"


BUILD_ENTRY_POINT = "catalog.build.run"


BUILT_IN_SLUGS = frozenset({INGEST_SLUG, BUILD_SLUG})


ENTRY_POINTS = frozenset({INGEST_ENTRY_POINT, BUILD_ENTRY_POINT})
"""Only runs of these move the catalog."""


COMMANDS = "command."
"""With this begin the entry points of command lines that operators declare."""
