"""What runs print, among the lines of `dev`, for as long as somebody wants to see it."""

import threading
from collections.abc import Callable
from contextlib import suppress

from api.process.telling.spoken import in_one_line
from apphub_jobs.client import Client, ClientError

LONGEST_LINE = 2_000


class Output:
    """Copies the logs of runs that start from now on."""

    def __init__(self, client: Client, print_line: Callable[[str], None]) -> None:
        self._client = client
        self._print = print_line
        self._is_following = False
        self.is_shown = False

    def toggle(self) -> bool:
        """Show it, or no longer; return which."""
        self.is_shown = not self.is_shown
        if self.is_shown and not self._is_following:
            self._is_following = True
            threading.Thread(target=self._follow, name="output", daemon=True).start()
        return self.is_shown

    def _follow(self) -> None:
        try:
            for message in self._client.stream(types="job.run.running"):
                run = message.run
                if run is not None and self.is_shown:
                    threading.Thread(
                        target=self._copy, args=(run.id, run.slug), daemon=True
                    ).start()
        except ClientError as error:
            self._print(f"the output of runs is not shown any more: {error}")
        finally:
            self._is_following = False

    def _copy(self, run_id: str, slug: str) -> None:
        with suppress(ClientError):
            for line in self._client.run(run_id).logs(follow=True):
                if not self.is_shown:
                    return
                told = f"{slug} | {in_one_line(line, LONGEST_LINE)}"
                self._print(told)
