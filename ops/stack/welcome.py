"""What a person reads when everything runs: where it is, and what to try next."""

import shlex
from pathlib import Path

from rich.text import Text

from models.settings import Settings
from ops.stack import ports


def welcome(settings: Settings) -> Text:
    """Addresses, first commands, and where things are. No line is broken, so that each can be copied."""
    text = Text("\nEpisodes is running\n", style="bold green")
    for name, value in _rows(settings):
        text.append(f"  {name:<15}", style="not bold dim").append(f"{value}\n", style="not bold default")
    return text


def _rows(settings: Settings) -> tuple[tuple[str, str], ...]:
    host, home = ports.reached(settings.host), settings.episodes_home
    url, workers = f"http://{host}:{settings.port}", f"http://{host}:{settings.metrics}/metrics"
    command = _command(home)
    return (
        ("API", url),
        ("documentation", f"{url}/schema"),
        ("metrics", f"{url}/metrics" + (f" and {workers}" if settings.metrics else "")),
        ("a token", f"{command} token --role editor"),
        ("a first look", f'curl -H "Authorization: Bearer $({command} token --role viewer)" {url}/api/v1/shows'),
        ("your own files", f"{command} ingest PATH --entity-type clip --create"),
        ("data and logs", f"{_short(home)}, {_short(home / 'logs')}"),
        ("stop", "Ctrl-C"),
    )


def _command(home: Path) -> str:
    """The command line, told of a home that it would not look into by itself."""
    prefix = "" if home == Path(".data").resolve() else f"EPISODES_HOME={shlex.quote(str(home))} "
    return f"{prefix}.venv/bin/episodes"


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
