"""``python -m migrations``: bring the database to the newest version, and let the programs' role use it.

``MIGRATION_DATABASE_URL`` is the owner's; without it the role of ``DATABASE_URL`` owns what it uses.
"""

import os
import sys

from migrations.application import OwnerError
from migrations.upgrade import upgrade
from models import process_privacy


def main() -> int:
    """Upgrade; 1 and one line where a setting is missing or cannot be used."""
    process_privacy.conceal()
    url = os.environ.get("DATABASE_URL")
    if not url:
        print("DATABASE_URL: this setting is required", file=sys.stderr)
        return 1
    try:
        upgrade(os.environ.get("MIGRATION_DATABASE_URL") or url, application_url=url)
    except OwnerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
