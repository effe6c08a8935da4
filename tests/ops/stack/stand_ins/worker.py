"""A worker that has a child of its own, as real ones do, and waits."""

import subprocess
import sys

with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as own:
    print("working with", own.pid)
    own.wait()
