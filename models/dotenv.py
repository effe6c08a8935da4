"""The ``.env`` file of a developer."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$")


def with_dotenv(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, completed by what the file says and the environment does not; production reads no file.

    ``EPISODES_DOTENV`` names another file, or none where it is empty: no test depends on what a developer set.
    """
    file = Path(environ.get("EPISODES_DOTENV", ".env"))
    if environ.get("APP_ENV", "development") != "development" or not file.is_file():
        return dict(environ)
    found = (LINE.match(line) for line in file.read_text().splitlines())
    return {one[1]: _unquoted(one[2]) for one in found if one} | dict(environ)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value.partition(" #")[0].rstrip()
