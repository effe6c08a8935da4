"""How each program of ours begins."""

import sys
from collections.abc import Callable

from models import log
from models.errors import Unavailable
from models.schema import SchemaError
from models.settings import Settings, SettingsError, load


def main(name: str, run: Callable[[Settings], object]) -> int:
    """Run a program with its settings and its log; 1 and one line where a setting or the schema is wrong."""
    try:
        settings = load()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    log.configure(settings.log_level, name)
    try:
        run(settings)
    except (SchemaError, Unavailable) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
