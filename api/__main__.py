"""``python -m api``: serve until told to stop."""

if __name__ == "__main__":  # told to stop while the rest is imported, it ends at once
    from models import termination

    raise SystemExit(termination.enter("api.__main__"))

import structlog

from models import dev_issuer, process
from models.db import schema
from models.errors import Unavailable
from models.settings import Settings

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; a database that is away is waited for, and its schema is told when it is back."""
    with process.starting():
        _check(settings)
    from api.server.granian import serve  # noqa: PLC0415  (after the settings have been read)

    serve(settings)


def _check(settings: Settings) -> None:
    if settings.embedded_issuer:
        dev_issuer.key(settings.episodes_home)
    try:
        schema.require(settings.database_url)
    except Unavailable as error:
        log.warning("not ready", error=error.message)


def main() -> int:
    """Serve; 1 and one line where it cannot."""
    return process.main("api", run)
