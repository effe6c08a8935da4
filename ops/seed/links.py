"""Which of the sample things each sample episode shows, where, and who wears what."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ops.seed.outfits import LOOKS
from ops.seed.series import SERIES, Series

Row = dict[str, Any]


class Link(NamedTuple):
    """One thing of an episode: its ``kind`` as in the path, its name, and what is said of the two."""

    kind: str
    name: str
    said: Row


class Shown(NamedTuple):
    """What only this episode has: where it plays, who visits and why, and a second look with who wears it."""

    backgrounds: tuple[str, ...]
    guest: tuple[str, str] | None = None
    look: tuple[str, str, str] | None = None


# In the order of the episodes; each also shows the look of the same place in LOOKS.
SHOWN: Final[tuple[tuple[Shown, ...], ...]] = (
    (
        Shown(("Wardrobe room", "White cove"), None, ("Denim on Denim", "Lala", "day eleven")),
        Shown(("Canal bridge at noon",), ("Renata Okafor", "takes in the linen jacket"), None),
        Shown(
            ("White cove",), ("Aurélie Santos", "on what photographs badly"), ("Tea Dance", "Aurélie Santos", "party")
        ),
        Shown(
            ("Flea market, hall two",), ("Milo Drăghici", "haggles and loses"), ("Denim on Denim", "Milo Drăghici", "")
        ),
        Shown(("Rain window", "Canal bridge at noon")),
        Shown(("Wardrobe room", "White cove"), ("Nana Ilse", "ties number seven"), ("Market Morning", "Nana Ilse", "")),
    ),
    (
        Shown(("White cove",), ("Teodora Brandt", "holds the colour cards"), ("Gallery Opening", "Teodora Brandt", "")),
        Shown(("Kitchen with the long table",), ("Beatriz Moura", "brings the bowls"), None),
        Shown(("Canal bridge at noon",), ("Hanne Lindqvist", "counts the repetitions"), None),
        Shown(("Miradouro",), ("Beatriz Moura", "opens her workshop"), ("City Heatwave", "Beatriz Moura", "workshop")),
        Shown(("White cove",), ("Renata Okafor", "moves the shoulder seam"), None),
        Shown(("Opera foyer", "Rain window"), ("Ottilie Kerr", "steams the velvet"), None),
    ),
)
LOGOS: Final = ("Dress the Day", "In Her Prime")


def links(number: int, index: int) -> Iterator[Link]:
    """What the episode ``index`` of the series ``number`` shows."""
    series, shown = SERIES[number], SHOWN[number][index]
    yield from _looks(series, shown, LOOKS[6 * number + index].name)
    for position, name in enumerate(shown.backgrounds):
        yield Link("backgrounds", name, {"position": position, "usage_context": "main set" if not position else None})
    if shown.guest:
        name, context = shown.guest
        yield Link("guests", name, {"usage_context": context})
    yield from _graphics(LOGOS[number], guest=shown.guest is not None)
    yield from _parts(LOGOS[number], tailor=bool(shown.guest and shown.guest[0] == "Renata Okafor"))


def _looks(series: Series, shown: Shown, name: str) -> Iterator[Link]:
    host = "Lala" if series.talent == "Lala" else "The host"
    yield Link("outfits", name, {"worn_by": host, "usage_context": "main look", "position": 0})
    if shown.look:
        other, wearer, context = shown.look
        yield Link("outfits", other, {"worn_by": wearer, "usage_context": context or "own clothes", "position": 1})


def _graphics(logo: str, *, guest: bool) -> Iterator[Link]:
    yield Link("ui-elements", f"Logo: {logo}", {"start_seconds": 8, "end_seconds": 12})
    if guest:
        yield Link("ui-elements", "Name strap", {"start_seconds": 95.5, "end_seconds": 101, "position": 1})
    card = {"start_seconds": 210, "end_seconds": 224.5, "position": 2, "notes": "Hold until she has turned once."}
    yield Link("ui-elements", "Outfit card", card)


def _parts(logo: str, *, tailor: bool) -> Iterator[Link]:
    yield Link("components", f"Opening: {logo}", {"position": 0})
    yield Link("components", "Look breakdown", {"position": 1, "usage_context": "main look"})
    if tailor:
        yield Link("components", "Ask the Tailor", {"position": 2})
    yield Link("components", "Credits with outtakes", {"position": 9})
