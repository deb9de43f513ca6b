"""A job that says what its parameters must be."""

import pytest

from tests.integration.shared_api import SharedApi


@pytest.fixture(scope="module")
def slug(shared: SharedApi) -> str:
    schema = {
        "type": "object",
        "required": ["n"],
        "properties": {"n": {"type": "integer"}, "t/~": {"maxLength": 2}},
    }
    return str(
        shared.register(slug="validated", parametersSchema=schema, defaultParameters={"n": 1})[
            "slug"
        ]
    )
