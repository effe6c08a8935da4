"""``make bench``: the measurements one after the other; ``python -m ops.bench NAME…`` runs those."""

import subprocess
import sys
from typing import Final

USUAL: Final = ("thumbnails", "pipeline", "latency", "memory", "api", "unchanged", "ledger", "batches", "webhooks")
ALL: Final = (*USUAL, "reindex", "scale")  # a hundred thousand and a million clips take minutes: only by name


def main() -> int:
    """Run each as a process of its own, so that none finds the memory and caches of another."""
    wanted = sys.argv[1:] or list(USUAL)
    unknown = sorted(set(wanted) - set(ALL))
    if unknown:
        print(f"there is no {unknown[0]}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    return max(subprocess.run([sys.executable, "-m", f"ops.bench.{name}"], check=False).returncode for name in wanted)


if __name__ == "__main__":
    raise SystemExit(main())
