"""Checks the options of `up` and `dev`; what they mean for handlers and builds."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from apphub_jobs.contract import PermanentError
from catalog.handler_settings import BUILD_ENTRY_POINT, handler_settings
from catalog.handlers.builder import BuildSettings
from catalog.handlers.choice import select_builder
from cli.database import check_logs_store, database_url
from cli.options import exit_on_error
from cli.start.access import hosts_of, origins_of, proxies_of, tokens_in
from cli.start.hidden_files import hidden_files
from cli.start.service import AllOptions
from domain.json_values import JsonObject
from domain.workers import parse_labels
from worker.executors.packages import Access


def check(options: AllOptions) -> None:
    """Check the options before the database starts.

    Raises:
        typer.Exit: an option is wrong; its message has been printed.
    """
    check_logs_store(options.storage.logs_store, to_write=True)
    tokens = tokens_in(options.serving.tokens_file)
    hosts_of(options.serving, tokens)
    origins_of(options.serving, tokens)
    proxies_of(options.serving)
    exit_on_error(lambda: parse_labels(options.working.label or ()))
    database_url(options.storage)


def access_of(options: AllOptions) -> Access:
    """Return what handlers may reach of the host."""
    secret = (options.serving.tokens_file, options.keys.seal_key, options.keys.subject_key)
    return hidden_files(options.storage, options.working, *secret).access


@dataclass(frozen=True)
class Builder:
    """Whether there is a builder of images.

    Attributes:
        message: its version, or what to do if there is none.
    """

    is_usable: bool
    message: str


def builder_of(options: AllOptions) -> Builder:
    """Return the builder of images.

    Raises:
        typer.Exit: a variable about builds has an invalid value.
    """
    return find_builder(exit_on_error(lambda: handler_settings(os.environ, options.directory)))


def find_builder(settings: Mapping[str, JsonObject]) -> Builder:
    """Return the builder that the built-in handlers would use.

    Args:
        settings: the built-in handlers' settings, by entry point.
    """
    try:
        chosen = BuildSettings.read(settings[BUILD_ENTRY_POINT])
        _, version = select_builder(chosen, lambda _: None)
    except PermanentError as error:
        return Builder(is_usable=False, message=str(error))
    return Builder(is_usable=True, message=version)
