"""Child processes that do not outlive their parent."""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def end_with_parent() -> None:
    """Asks the kernel to kill this process when its parent dies; Linux only.

    Of a worker that was killed, another worker repeats the task: if its child went on,
    two processes would write to one folder. For `preexec_fn` of `subprocess`.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
