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
    from granian import Granian  # noqa: PLC0415  (after the settings have been read)
    from granian.constants import Interfaces  # noqa: PLC0415

    Granian(
        "api.serve:app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_access=False,
    ).serve()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
