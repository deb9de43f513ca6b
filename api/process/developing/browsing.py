"""The dashboard in a browser, for somebody who sits in front of one."""

import sys
import threading
import webbrowser
from collections.abc import Mapping

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")

_ALWAYS_ON_SCREEN = ("darwin", "win32")


def has_screen(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Return whether a browser would open before the eyes of whoever sits at this terminal.

    Where there is no screen, browsers of the terminal itself would take its place; through SSH, a
    browser would be the other machine's. `BROWSER` says what to use all the same: editors that work
    on another machine set it to what opens a page on this one.
    """
    if environment.get("BROWSER"):
        return True
    if environment.get("SSH_CONNECTION"):
        return False
    if platform in _ALWAYS_ON_SCREEN:
        return True
    return any(environment.get(name) for name in _SCREENS)


def show(url: str) -> None:
    """Open the address in a browser, which may take its time."""
    threading.Thread(
        target=webbrowser.open, args=(url,), name="browser", daemon=True
    ).start()
