"""How each program of ours begins."""

import sys
from collections.abc import Callable

from models import log, privacy
from models.settings import Settings, SettingsError, load


def main(name: str, run: Callable[[Settings], object]) -> int:
    """Run a program with its settings and its log; 1 and one line where a setting is wrong."""
    privacy.conceal()
    try:
        settings = load()
        log.configure(settings.log_level, name)
        run(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
