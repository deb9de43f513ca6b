"""Which directory is meant, however odd its name."""

from pathlib import Path

from api.data_directory import directory_of


def test_links_in_a_circle_are_a_directory_that_is_not_there(tmp_path: Path) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    assert directory_of(circle) == circle


def test_links_are_followed(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "data")
    assert directory_of(link) == tmp_path / "data"
