"""JSON as people write it in files: as it is, or as YAML, whose dates stay texts."""

import yaml

from domain.json_values import InvalidJsonError, Json, normalise

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Makes of `2026-11-25` the text that JSON would have."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def documents_in(text: str) -> list[Json]:
    """Return the documents of a text in YAML or JSON.

    Raises:
        ValueError: it is neither, or holds what JSON cannot; the message says where.
    """
    try:
        found = list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        msg = f"it is neither YAML nor JSON: {error}"
        raise ValueError(msg) from None
    try:
        return [normalise(document) for document in found]
    except InvalidJsonError as error:
        where = error.pointer or "/"
        msg = f"at {where} stands what JSON cannot hold: {error.message}"
        raise ValueError(msg) from None
