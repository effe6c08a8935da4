"""``python -m migrations``: bring the database to the newest version, and let the programs' role use it.

``MIGRATION_DATABASE_URL`` is the owner's; without it the role of ``DATABASE_URL`` owns what it uses.
"""

import os
import sys

from migrations.errors import MigrationError
from migrations.upgrade import upgrade
from models import process_privacy
from models.settings.environment import complete
from models.settings.purposes import PURPOSES
from models.settings.types import SettingsError


def main() -> int:
    """Upgrade; 1 and one line where a setting is missing or cannot be used, or where a step fails."""
    process_privacy.conceal()
    try:
        _upgrade()
    except (MigrationError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _upgrade() -> None:
    environ = complete(os.environ)
    url = environ.get("DATABASE_URL")
    if not url:
        raise SettingsError(f"DATABASE_URL: this setting is required: {PURPOSES['DATABASE_URL']}")
    upgrade(environ.get("MIGRATION_DATABASE_URL") or url, application_url=url)


if __name__ == "__main__":
    raise SystemExit(main())
