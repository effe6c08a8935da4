"""``python -m migrations``: bring the database of ``DATABASE_URL`` to the newest version."""

import os
import sys

from migrations.upgrade import upgrade


def main() -> int:
    """Upgrade and say so; 1 and one line where the setting is missing."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        print("DATABASE_URL: this setting is required", file=sys.stderr)
        return 1
    upgrade(url)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
