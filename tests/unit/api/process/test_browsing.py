"""A browser opens where somebody sees it, and nowhere else."""

import pytest

from cli.process.dev import has_screen


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ""}, "linux", False),
        ({"BROWSER": "firefox %s"}, "linux", True),
        ({}, "darwin", True),
        ({"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "192.0.2.1"}, "linux", False),
        ({"SSH_CONNECTION": "192.0.2.1"}, "darwin", False),
        ({"BROWSER": "editor-helper", "SSH_CONNECTION": "192.0.2.1"}, "linux", True),
    ],
)
def test_on_a_screen_alone(*, environment: dict[str, str], platform: str, expected: bool) -> None:
    assert has_screen(environment, platform) is expected
