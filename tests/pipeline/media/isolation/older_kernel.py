"""Run a program as on a kernel that lacks something: ``python older_kernel.py landlock|seccomp COMMAND…``"""

import os
import sys

from models import kernel
from pipeline.media.isolation import seccomp

CALLS = {"landlock": kernel.CREATE_RULESET, "seccomp": kernel.SECCOMP[os.uname().machine]}


def main(lacks: str, *command: str) -> None:
    """Have the kernel not know the call, for this process and all that it starts."""
    unknown = seccomp.answered(seccomp.UNKNOWN, [CALLS[lacks]])
    seccomp.install([(seccomp.LOAD, 0, 0, seccomp.NUMBER), *unknown, (seccomp.RETURN, 0, 0, seccomp.ALLOW)])
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
