"""The command line ``episodes``, called as its program calls it, but in this process: an interpreter takes a second."""

import io
import os
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess
from unittest.mock import patch

from ops.cli.app import main
from tests.stack import unmeasured


def episodes(environ: Mapping[str, str], *args: str) -> CompletedProcess[str]:
    """What a call in this environment prints and ends with; nothing of it is a terminal."""
    out, errors = io.StringIO(), io.StringIO()
    called = patch.dict(os.environ, unmeasured(environ), clear=True), patch("sys.argv", ["episodes", *args])
    with called[0], called[1], redirect_stdout(out), redirect_stderr(errors):
        code = _ended()
    return CompletedProcess(args, code, out.getvalue(), errors.getvalue())


def _ended() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
