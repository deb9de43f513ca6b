"""Which directory is meant, however odd its name."""

from pathlib import Path

from api.data_directory import resolve_data_dir


def test_links_in_a_circle_are_a_directory_that_is_not_there(tmp_path: Path) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    assert resolve_data_dir(circle) == circle


def test_links_are_followed(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "data")
    assert resolve_data_dir(link) == tmp_path / "data"
