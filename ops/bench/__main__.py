"""``make bench``: every measurement, one after the other; ``python -m ops.bench NAME…`` runs some of them."""

import subprocess
import sys
from typing import Final

ALL: Final = ("api", "scale", "thumbnails", "pipeline", "latency", "memory")


def main() -> int:
    """Run each as a process of its own, so that none finds the memory and caches of another."""
    wanted = sys.argv[1:] or list(ALL)
    unknown = sorted(set(wanted) - set(ALL))
    if unknown:
        print(f"there is no {unknown[0]}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    return max(subprocess.run([sys.executable, "-m", f"ops.bench.{name}"], check=False).returncode for name in wanted)


if __name__ == "__main__":
    raise SystemExit(main())
