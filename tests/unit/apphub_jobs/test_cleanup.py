"""What is restored after an attempt, in a process of its own."""

import subprocess
import sys

PROGRAM = """
import _signal  # The wrapper compares, too.
import signal
from apphub_jobs.process.cleanup import Cleaner

class LikeAny:
    def __call__(self, *_):
        pass

    def __eq__(self, other):
        return True

cleaner = Cleaner()
signal.signal(signal.SIGUSR1, LikeAny())
assert cleaner.clean_up()
assert not isinstance(_signal.getsignal(signal.SIGUSR1), LikeAny)
"""


def test_a_signal_handler_is_restored_even_if_the_present_one_equals_everything() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=90)
