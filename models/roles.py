"""The roles there are: a closed set that the API and the command line share."""

from typing import Final, Literal

Role = Literal["viewer", "editor", "admin"]
RANK: Final[dict[Role, int]] = {"viewer": 1, "editor": 2, "admin": 3}
