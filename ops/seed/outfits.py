"""Sample outfits: what is worn, piece by piece."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from ops.seed.series import TAG, Row


class PlannedOutfit(NamedTuple):
    """One outfit; the pieces as "colour item, material"."""

    name: str
    brand: str
    season: str
    occasion: str
    top: str
    bottom: str
    shoes: str
    accessories: tuple[str, ...]


LOOKS: Final = (
    PlannedOutfit(
        "Market Morning",
        "Oat & Ivory",
        "spring",
        "casual",
        "white shirt, poplin",
        "indigo jeans, denim",
        "tan loafers, leather",
        ("straw tote", "tortoise sunglasses"),
    ),
    PlannedOutfit(
        "Linen Meeting",
        "Calle Nueve",
        "summer",
        "work",
        "sand blazer, linen",
        "sand trousers, linen",
        "white sneakers, canvas",
        ("slim belt", "steel watch"),
    ),
    PlannedOutfit(
        "Garden Ceremony",
        "Maren Vale",
        "summer",
        "wedding",
        "emerald slip top, satin",
        "emerald midi skirt, satin",
        "gold sandals, leather",
        ("pearl earrings", "clutch"),
    ),
    PlannedOutfit(
        "Flea Market Find",
        "Second Stitch",
        "autumn",
        "casual",
        "cognac jacket, suede",
        "ecru jeans, denim",
        "brown ankle boots, leather",
        ("horn-button brooch",),
    ),
    PlannedOutfit(
        "Rainy Dinner",
        "Northline",
        "autumn",
        "date night",
        "beige trench coat, gabardine",
        "black trousers, wool",
        "red rain boots, rubber",
        ("silk scarf", "umbrella"),
    ),
    PlannedOutfit(
        "Nine Ways Scarf",
        "Maren Vale",
        "spring",
        "casual",
        "navy tee, cotton",
        "white jeans, denim",
        "blue ballerinas, suede",
        ("silk square", "basket bag"),
    ),
    PlannedOutfit(
        "Cobalt Entrance",
        "Atelier Brisa",
        "winter",
        "city",
        "cobalt coat, wool",
        "grey trousers, flannel",
        "black boots, leather",
        ("silver hoops", "fuchsia lipstick"),
    ),
    PlannedOutfit(
        "Sunday Host",
        "Oat & Ivory",
        "spring",
        "home",
        "cream cardigan, merino",
        "olive culottes, linen",
        "felt slippers, wool",
        ("apron", "amber beads"),
    ),
    PlannedOutfit(
        "River Walk",
        "Kinetika",
        "all year",
        "sport",
        "plum training top, jersey",
        "black leggings, stretch knit",
        "grey running shoes, mesh",
        ("cap", "water bottle"),
    ),
    PlannedOutfit(
        "Lisbon Hills",
        "Calle Nueve",
        "summer",
        "travel",
        "striped knit dress, cotton",
        "navy shorts, cotton",
        "rope espadrilles, canvas",
        ("cabin bag", "sun hat"),
    ),
    PlannedOutfit(
        "The Interview",
        "Harrow & Pine",
        "autumn",
        "work",
        "navy blazer, wool",
        "navy trousers, wool",
        "oxblood brogues, leather",
        ("leather folder", "signet ring"),
    ),
    PlannedOutfit(
        "Opera Velvet",
        "Atelier Brisa",
        "winter",
        "evening",
        "burgundy jacket, velvet",
        "burgundy trousers, velvet",
        "black slippers, velvet",
        ("garnet drop earrings", "opera glove"),
    ),
    PlannedOutfit(
        "Gallery Opening",
        "Studio Kettu",
        "autumn",
        "evening",
        "black turtleneck, cashmere",
        "silver pleated skirt, lamé",
        "black pumps, patent leather",
        ("sculptural cuff",),
    ),
    PlannedOutfit(
        "Snow Day",
        "Northline",
        "winter",
        "outdoor",
        "rust parka, down",
        "charcoal trousers, corduroy",
        "hiking boots, leather",
        ("wool beanie", "mittens"),
    ),
    PlannedOutfit(
        "Beach Bonfire",
        "Sal y Sol",
        "summer",
        "holiday",
        "faded hoodie, cotton",
        "white trousers, linen",
        "bare sandals, leather",
        ("shell anklet", "blanket shawl"),
    ),
    PlannedOutfit(
        "Studio Monochrome",
        "Studio Kettu",
        "all year",
        "photo shoot",
        "ivory waistcoat, crêpe",
        "ivory wide trousers, crêpe",
        "ivory mules, leather",
        ("ivory fedora",),
    ),
    PlannedOutfit(
        "Denim on Denim",
        "Second Stitch",
        "spring",
        "casual",
        "light jacket, denim",
        "dark jeans, denim",
        "white sneakers, leather",
        ("red bandana", "tan belt"),
    ),
    PlannedOutfit(
        "Graduation Lunch",
        "Maren Vale",
        "summer",
        "family",
        "coral wrap blouse, viscose",
        "navy pencil skirt, cotton",
        "nude block heels, leather",
        ("coral earrings",),
    ),
    PlannedOutfit(
        "Airport Uniform",
        "Kinetika",
        "all year",
        "travel",
        "grey hoodie, merino",
        "black joggers, jersey",
        "white trainers, knit",
        ("blanket scarf", "crossbody bag"),
    ),
    PlannedOutfit(
        "Tea Dance",
        "Atelier Brisa",
        "spring",
        "party",
        "polka-dot blouse, silk",
        "black circle skirt, taffeta",
        "red T-bar shoes, leather",
        ("hair comb", "red gloves"),
    ),
    PlannedOutfit(
        "Forest Walk",
        "Harrow & Pine",
        "autumn",
        "outdoor",
        "moss jumper, lambswool",
        "brown breeches, moleskin",
        "green wellies, rubber",
        ("wax bag", "tweed cap"),
    ),
    PlannedOutfit(
        "City Heatwave",
        "Sal y Sol",
        "summer",
        "city",
        "yellow sundress, cotton",
        "ivory slip, cotton",
        "tan sandals, leather",
        ("woven fan", "round sunglasses"),
    ),
    PlannedOutfit(
        "New Year Sequins",
        "Studio Kettu",
        "winter",
        "party",
        "midnight top, sequins",
        "black cigarette trousers, satin",
        "silver heels, leather",
        ("star hairpins", "mini bag"),
    ),
    PlannedOutfit(
        "Pyjama Call",
        "Oat & Ivory",
        "all year",
        "home",
        "striped shirt, flannel",
        "striped trousers, flannel",
        "sheepskin slippers, suede",
        ("reading glasses",),
    ),
)


def outfits() -> Iterator[Row]:
    """The outfits, their pieces as objects with colour, item and material."""
    for look in LOOKS:
        yield {
            "name": look.name,
            "description": f"{look.top.capitalize()}, with {look.bottom.split(',')[0]}; for {look.occasion}.",
            "top": _piece(look.top),
            "bottom": _piece(look.bottom),
            "shoes": _piece(look.shoes),
            "accessories": [{"item": item} for item in look.accessories],
            "brand": look.brand,
            "season": look.season,
            "occasion": look.occasion,
            "tags": [TAG, look.season, look.occasion],
        }


def _piece(said: str) -> Row:
    what, _, material = said.partition(", ")
    colour, _, item = what.partition(" ")
    return {"colour": colour, "item": item, "material": material}
