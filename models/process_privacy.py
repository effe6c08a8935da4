"""What a process keeps from others of the same user."""

import ctypes
import sys
from typing import Final

PR_SET_DUMPABLE: Final = 4


def conceal() -> None:
    """Close this process's memory and environment, and leave no core file: passwords and keys are in them.

    Without it a child may read them in ``/proc``, whatever it has been given itself. Root may still.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
