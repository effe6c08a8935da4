"""``python -m api``: serve until told to stop."""

import sys

from models import log
from models.settings import SettingsError, load


def main() -> int:
    """Serve; 1 and one line where a setting is wrong."""
    try:
        settings = load()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    log.configure(settings.log_level, "api")
    from api.server import serve  # noqa: PLC0415  (after the settings have been read)

    serve(settings)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
