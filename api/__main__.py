"""``python -m api``: serve until told to stop."""

from models import program
from models.settings import Settings


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    from api.server import serve  # noqa: PLC0415  (after the settings have been read)

    serve(settings)


def main() -> int:
    """Serve; 1 and one line where a setting is wrong."""
    return program.main("api", run)


if __name__ == "__main__":
    raise SystemExit(main())
