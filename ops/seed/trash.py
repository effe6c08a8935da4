"""What lies in the trash of the sample data, and why: an idea that was dropped, and some single mistakes."""

from typing import Any, Final, NamedTuple

from ops.seed.series import TAG

Row = dict[str, Any]


class Dropped(NamedTuple):
    """A row that is made and deleted for a ``reason``; ``resource`` is its path."""

    resource: str
    row: Row
    reason: str


IDEA: Final = Dropped(
    "episodes",
    {
        "title": "Sandals in the Snow",
        "description": "Open shoes in January: how far do socks go?",
        "season_number": 2,
        "episode_number": 4,
        "status": "canceled",
        "category": "Shoes",
        "tags": [TAG, "winter", "shoes"],
    },
    "Nobody would insure it.",
)
LOOK: Final = Dropped(
    "outfits",
    {
        "name": "Frozen Sandals",
        "description": "Silver sandals, grey socks; for the episode that was dropped.",
        "shoes": {"colour": "silver", "item": "sandals", "material": "leather"},
        "brand": "Sal y Sol",
        "season": "winter",
        "tags": [TAG, "winter"],
    },
    "Went back to the brand with the episode.",
)
TAKE: Final = Dropped(
    "clips",
    {"title": "Test walk on ice", "description": "One take, one fall.", "talent_source": "Lala", "tags": [TAG]},
    "Lala asked us to.",
)
SINGLE: Final = (
    Dropped(
        "guests",
        {"name": "Casimir Boll", "bio": "Hatter; was to talk about felt.", "tags": [TAG, "hats"]},
        "Cancelled: moved abroad.",
    ),
    Dropped(
        "ui-elements",
        {"name": "Countdown sticker", "element_type": "icon", "tags": [TAG]},
        "Replaced by the chapter card.",
    ),
)
