"""The command line of the service, as `apphub-jobs` and as `python -m apphub_jobs`.

It begins here because nobody else has a package of this name: an operator's PYTHONPATH may hold
other modules named `api` or `domain`, which are for handlers.
"""

from importlib import import_module

from apphub_jobs.process.imports import SERVICE_PACKAGES, arrange


def main() -> None:
    """Run the command line of the service that is installed beside this package."""
    arrange([], SERVICE_PACKAGES)
    import_module("api.cli.main").main()


if __name__ == "__main__":
    main()
