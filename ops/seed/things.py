"""What the sample episodes are made with: guests, backgrounds, UI elements and components; all invented."""

from typing import Any, Final

from ops.seed.series import TAG

Row = dict[str, Any]


def _guest(name: str, bio: str, handle: str, *tags: str) -> Row:
    return {
        "name": name,
        "bio": bio,
        "email": f"{handle}@guests.example",
        "social_links": {"web": f"https://{handle}.example", "photos": f"@{handle}"},
        "tags": [TAG, *tags],
    }


def _background(name: str, kind: str, description: str, *tags: str) -> Row:
    return {"name": name, "background_type": kind, "description": description, "tags": [TAG, *tags]}


def _ui_element(name: str, kind: str, description: str, *tags: str) -> Row:
    return {"name": name, "element_type": kind, "description": description, "tags": [TAG, *tags]}


def _component(name: str, kind: str, description: str, config: Row, *tags: str) -> Row:
    return {
        "name": name,
        "component_type": kind,
        "description": description,
        "config": config,
        "tags": [TAG, *tags],
    }


GUESTS: Final = (
    _guest(
        "Renata Okafor",
        "Tailor with thirty-one years in a shop of two by four metres. Says no to zips and yes to second fittings.",
        "renata.okafor",
        "tailoring",
    ),
    _guest(
        "Milo Drăghici",
        "Buys whole wardrobes and sells single coats. Knows what every hall of the flea market smelled like in 1998.",
        "milo.draghici",
        "thrift",
    ),
    _guest(
        "Aurélie Santos",
        "Has photographed four hundred weddings and remembers the shoes of all of them.",
        "aurelie.santos",
        "wedding",
        "photography",
    ),
    _guest(
        "Hanne Lindqvist",
        "Physiotherapist and rower. Teaches people over fifty to lift what they were told to leave on the floor.",
        "hanne.lindqvist",
        "health",
    ),
    _guest(
        "Teodora Brandt",
        "Colourist who has talked more women out of hair dye than into it.",
        "teodora.brandt",
        "colour",
        "silver hair",
    ),
    _guest(
        "Beatriz Moura",
        "Throws plates and bowls in a workshop above the river in Lisbon; ships them wrapped in knitwear.",
        "beatriz.moura",
        "ceramics",
        "travel",
    ),
    _guest(
        "Ottilie Kerr",
        "Runs the wardrobe of an opera house: nine hundred costumes, one steam iron that she lets nobody touch.",
        "ottilie.kerr",
        "velvet",
        "costume",
    ),
    _guest(
        "Nana Ilse",
        "Lala's grandmother. Ties a silk square in four seconds and will not be filmed before her second coffee.",
        "nana.ilse",
        "scarf",
        "family",
    ),
)
BACKGROUNDS: Final = (
    _background(
        "Wardrobe room", "studio", "Open rail, oak floor, north light; Lala's corner of the studio.", "home base"
    ),
    _background("White cove", "studio", "Seamless white for turns and close-ups of cloth.", "neutral"),
    _background("Canal bridge at noon", "location", "Iron bridge, hard light, trams every six minutes.", "city"),
    _background("Flea market, hall two", "location", "Racks to the ceiling; no filming before nine.", "city", "thrift"),
    _background("Kitchen with the long table", "location", "Seats ten, windows to the garden.", "home"),
    _background("Miradouro", "location", "View over the roofs of Lisbon; golden hour from seven in May.", "travel"),
    _background("Opera foyer", "virtual", "Marble stairs and chandeliers, rebuilt in three dimensions.", "evening"),
    _background("Rain window", "graphic", "Drops on glass, a loop of twelve seconds.", "rain"),
)
UI_ELEMENTS: Final = (
    _ui_element("Logo: Dress the Day", "logo", "Hanger that turns into a rising sun.", "branding"),
    _ui_element("Logo: In Her Prime", "logo", "The letters P and 50+ in one stroke.", "branding"),
    _ui_element("Name strap", "lower_third", "Name and trade on a band of linen; slides in from the left.", "text"),
    _ui_element("Outfit card", "overlay", "Pieces, colours and materials of the look, with a line to each.", "look"),
    _ui_element("Chapter card", "title_card", "Full screen, one line, the colour of the season.", "text"),
    _ui_element("Fabric wipe", "transition", "A length of cloth is pulled across the picture.", "motion"),
    _ui_element("Price tag", "icon", "Little tag with what the thing cost.", "budget"),
)
COMPONENTS: Final = (
    _component(
        "Opening: Dress the Day",
        "intro",
        "Shutters open, rail rolls in, logo.",
        {"seconds": 12, "layers": [{"logo": "Dress the Day"}, {"music": "Felt piano, four bars"}]},
        "branding",
    ),
    _component(
        "Opening: In Her Prime",
        "intro",
        "Key in the door, coat on the hook, logo.",
        {"seconds": 9, "layers": [{"logo": "In Her Prime"}]},
        "branding",
    ),
    _component(
        "Ask the Tailor",
        "segment",
        "One question, one garment, ninety seconds at the ironing board.",
        {"seconds": 90, "needs": ["guest", "ironing board"]},
        "tailoring",
    ),
    _component(
        "Felt piano, four bars",
        "jingle",
        "Played by the editor on her mother's upright.",
        {"seconds": 3, "key": "A"},
        "music",
    ),
    _component(
        "Look breakdown",
        "template",
        "Turn in the white cove, freeze, outfit card, three details.",
        {"shots": ["turn", "freeze", "detail", "detail", "detail"]},
        "look",
    ),
    _component(
        "Credits with outtakes",
        "outro",
        "Names on the right, what went wrong on the left.",
        {"seconds": 25},
        "branding",
    ),
)
