"""``python -m api``: serve until told to stop."""

if __name__ == "__main__":  # told to stop while the rest is imported, it ends at once
    from models import process

    raise SystemExit(process.enter("api.__main__"))

from models import program
from models.settings import Settings


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    from api.server import serve  # noqa: PLC0415  (after the settings have been read)

    serve(settings)


def main() -> int:
    """Serve; 1 and one line where it cannot."""
    return program.main("api", run)
