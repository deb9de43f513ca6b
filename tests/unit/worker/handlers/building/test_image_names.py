"""An image's name is what the contract says, and one that every builder and registry takes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.handlers.build import image_tag

SHA = "0123456789abcdef0123456789abcdef01234567"

# As registries check names (distribution/reference) and as OCI layouts check references
# (image-spec, annotations).
NAME = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*:\w[\w.-]{0,127}"
)
REFERENCE = re.compile(
    r"[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*"
)


@pytest.mark.parametrize(
    ("repository_id", "name"),
    [
        ("shop", "shop"),
        ("Shop-2", "shop-2"),
        ("My Shop!", "my-shop"),
        ("team.shop_api", "team.shop_api"),
        ("a--b", "a--b"),
        ("a - b", "a-b"),
        ("a___b..c", "a-b-c"),
        ("-shop-", "shop"),
        ("__init__", "init"),
        ("Käse", "k-se"),
        ("店", "app"),
        ("", "app"),
        ("---", "app"),
    ],
)
def test_an_apps_id_becomes_a_name(repository_id: str, name: str) -> None:
    assert image_tag(repository_id, SHA) == f"apphub/{name}:0123456789ab"


@given(st.text(max_size=400) | st.text(alphabet="aZ09._- ", max_size=400))
def test_every_id_becomes_a_name_that_is_taken_everywhere(repository_id: str) -> None:
    tag = image_tag(repository_id, SHA)
    assert NAME.fullmatch(tag)
    assert REFERENCE.fullmatch(tag)
    assert len(tag) <= 160


def test_long_ids_that_differ_at_their_end_have_different_names() -> None:
    assert image_tag("x" * 200 + "a", SHA) != image_tag("x" * 200 + "b", SHA)
