"""Child processes that do not outlive their parent.

    python -m benchmarks.children PROGRAM ARGUMENTS

Of a worker that was killed, another worker repeats the task: if its child went on, two
processes would write to one folder.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def command(arguments: Sequence[str]) -> list[str]:
    """A command that is killed when the process that starts it dies; Linux only.

    The kernel is asked by the child itself: a function between fork and exec is not
    safe in a process with threads, such as those of JAX.
    """
    return [sys.executable, "-m", "benchmarks.children", *arguments]


def main(arguments: list[str]) -> None:
    """Becomes the program that the arguments name."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
