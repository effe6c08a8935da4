"""Sample series: two shows and twelve episodes with their shots; all invented."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, NamedTuple

TAG: Final = "sample"  # finds all of it again, to look at or to delete
Row = dict[str, Any]


class PlannedEpisode(NamedTuple):
    """One episode as it is planned: five ``shots`` that become clips, and the lines that are spoken."""

    title: str
    description: str
    category: str
    tags: tuple[str, ...]
    shots: tuple[str, str, str, str, str]
    script: str


class Series(NamedTuple):
    """One show with its seasons of three episodes."""

    name: str
    description: str
    talent: str
    start: date
    episodes: tuple[PlannedEpisode, ...]


SERIES: Final = (
    Series(
        "Dress the Day with Lala",
        "Lala opens her wardrobe and gets dressed for real days: markets, interviews, weddings, rain.",
        "Lala",
        date(2025, 3, 3),
        (
            PlannedEpisode(
                "Ten Pieces, Thirty Mornings",
                "A capsule wardrobe of ten pieces has to carry Lala through a whole month.",
                "Capsule wardrobe",
                ("capsule", "basics", "minimalism"),
                (
                    "Ten pieces on the rail",
                    "Mirror test with the white shirt",
                    "Rolled sleeves close-up",
                    "Walking to the tram",
                    "Day thirty, last combination",
                ),
                "Good morning. These are ten pieces, and that is all there is until the end of the month.\n"
                "The rule is simple: nothing new, nothing borrowed, and nothing twice in the same way.\n"
                "Watch the white shirt. It is going to work harder than any of us.",
            ),
            PlannedEpisode(
                "Linen in the City",
                "Linen wrinkles, and that is the point: three heat-proof looks for an office without air conditioning.",
                "Workwear",
                ("linen", "summer", "office"),
                (
                    "Steaming the sand-coloured suit",
                    "Linen weave, macro",
                    "Crossing the bridge at noon",
                    "Desk scene by the open window",
                    "Evening terrace, jacket off",
                ),
                "It is thirty-four degrees and I have a meeting at two.\n"
                "Linen does not ask you to be neat. It asks you to be generous with the cut.\n"
                "One tip from my tailor: press the collar and the cuffs, and leave the rest alone.",
            ),
            PlannedEpisode(
                "The Wedding Guest Problem",
                "Three invitations, three dress codes, one budget: what a guest may wear, and what she may not.",
                "Occasion wear",
                ("wedding", "formal", "budget"),
                (
                    "Three invitations on the table",
                    "Fitting the emerald slip dress",
                    "Choosing the heel height",
                    "Dance floor, low angle",
                    "Confetti on the train",
                ),
                "Black tie optional, garden chic, and festive. Nobody knows what festive means.\n"
                "Start with the shoes: grass, gravel or marble decides more than any dress code.\n"
                "And no, champagne is not a colour for guests.",
            ),
            PlannedEpisode(
                "Thrifted From Head to Toe",
                "Four second-hand shops, one afternoon, forty euros: a full autumn outfit, washed, mended and worn.",
                "Second hand",
                ("thrift", "autumn", "mending"),
                (
                    "Racks at the flea market",
                    "Checking seams by hand",
                    "Haggling for the suede jacket",
                    "Sewing on a horn button",
                    "Before and after, split screen",
                ),
                "Look at the seams before you look at the label.\n"
                "This jacket cost eleven euros because one button was missing. A button costs sixty cents.\n"
                "By tonight it will look as if it had always been mine.",
            ),
            PlannedEpisode(
                "Rainproof and Still Romantic",
                "Wet streets, a dinner date and no taxi: layers that keep the rain out and the mood in.",
                "Outerwear",
                ("rain", "layers", "date night"),
                (
                    "Trench coat on a wet street",
                    "Umbrella opening, slow motion",
                    "Puddle reflection of red boots",
                    "Coat check at the restaurant",
                    "Candlelight, silk blouse",
                ),
                "The forecast says rain from six to midnight, and dinner is at seven.\n"
                "A trench is a raincoat that has read a few novels.\n"
                "Boots first, heels in the bag, and a scarf that dries fast.",
            ),
            PlannedEpisode(
                "One Scarf, Nine Ways",
                "A single square of silk as belt, top, turban, bag handle and more.",
                "Accessories",
                ("scarf", "silk", "styling"),
                (
                    "Silk square unfolding",
                    "The knot, step by step",
                    "Scarf as a belt on denim",
                    "Turban in the wind",
                    "Tied to the basket bag",
                ),
                "Ninety by ninety centimetres. That is everything you need for a long weekend.\n"
                "Fold it into a triangle, then into a band, and keep one tip a little longer.\n"
                "Number seven is the one my grandmother taught me.",
            ),
        ),
    ),
    Series(
        "In Her Prime",
        "Style, home and health after fifty, told by a woman who has stopped apologising for any of it.",
        "JustAWomanInHerPrime",
        date(2025, 5, 12),
        (
            PlannedEpisode(
                "Silver Hair, Bold Colour",
                "What happens to a wardrobe when the hair turns silver: cobalt, fuchsia and emerald on trial.",
                "Colour",
                ("colour", "silver hair", "confidence"),
                (
                    "Colour cards by daylight",
                    "Cobalt coat, full turn",
                    "Lipstick in the hand mirror",
                    "Hairdresser's last cut",
                    "Walking out into the sun",
                ),
                "For thirty years I wore beige because it went with my hair. My hair has resigned.\n"
                "Hold the colour under your chin and look at your eyes, not at the cloth.\n"
                "If they wake up, buy the coat.",
            ),
            PlannedEpisode(
                "The Sunday Table",
                "Six friends, one long lunch, and a table that is set with what is already in the house.",
                "Home",
                ("home", "entertaining", "table"),
                (
                    "Ironing the damask cloth",
                    "Lemons and olive branches",
                    "Pouring the soup",
                    "Friends arriving at the door",
                    "Crumbs and laughter, top view",
                ),
                "Nothing on this table matches, and nobody has ever noticed.\n"
                "Three heights, two colours, one smell: that is all the theory there is.\n"
                "Dress for your own lunch as if you were invited.",
            ),
            PlannedEpisode(
                "Strong, Not Skinny",
                "Twenty minutes of weights, a walk by the river and sportswear that fits a grown body.",
                "Wellness",
                ("fitness", "sportswear", "health"),
                (
                    "Tying the laces",
                    "Kettlebell on the balcony",
                    "River walk, tracking shot",
                    "Fabric stretch test",
                    "Tea after training",
                ),
                "I started lifting at fifty-four, because of a suitcase and a staircase.\n"
                "Good leggings have a waistband that stays up and a pocket that holds a key.\n"
                "Twenty minutes. You have watched advertisements that were longer.",
            ),
            PlannedEpisode(
                "Packing Light for Lisbon",
                "One cabin bag, five days, hills and cobblestones: how to travel well with eleven things.",
                "Travel",
                ("travel", "packing", "capsule"),
                (
                    "Cabin bag, open and empty",
                    "Rolling the knit dress",
                    "Tram up the hill",
                    "Espadrilles on cobblestones",
                    "Miradouro at golden hour",
                ),
                "Eleven things, and two of them I am wearing.\n"
                "Everything has to go with everything, and the shoes have to forgive cobblestones.\n"
                "Leave a third of the bag empty. Lisbon has ceramics.",
            ),
            PlannedEpisode(
                "The Interview Jacket",
                "Back to work at fifty-eight: finding the jacket that walks into the room first.",
                "Workwear",
                ("work", "tailoring", "confidence"),
                (
                    "Chalk marks on navy wool",
                    "Shoulder seam, close-up",
                    "Rehearsing in the lift",
                    "Handshake in the lobby",
                    "Phone call: she got it",
                ),
                "They asked for energy. I brought a jacket and forty years of deadlines.\n"
                "The shoulder has to end where you end. Everything else can be altered.\n"
                "Say your price, then stop talking.",
            ),
            PlannedEpisode(
                "Velvet Season",
                "From opera night to the corner shop: velvet in winter, worn on purpose and in flat shoes.",
                "Evening wear",
                ("velvet", "winter", "evening"),
                (
                    "Velvet pile against the light",
                    "Opera stairs, wide shot",
                    "Earrings in the cloakroom",
                    "Burgundy suit at the market",
                    "Night tram home",
                ),
                "Velvet was made for candlelight, but it does very well under a tram lamp.\n"
                "Brush it with the pile, hang it inside out, and never ever iron it.\n"
                "Tonight the opera, tomorrow the potatoes. Same suit.",
            ),
        ),
    ),
)
TAKES: Final[tuple[tuple[str, str], ...]] = (
    ("hero", "approved"),
    ("good", "approved"),
    ("good", "used"),
    ("maybe", "pending_review"),
    ("reject", "rejected"),
)  # quality and status of a clip, in turn
GUEST_EVERY: Final = 7  # clips, between two in which a guest is seen
LOOSE_EVERY: Final = 10  # clips, between two that belong to no episode yet


def episodes(series: Series, show_id: str) -> Iterator[Row]:
    """The episodes of a show: three a season, one a week, the first season published."""
    for index, episode in enumerate(series.episodes):
        season, number = index // 3 + 1, index % 3 + 1
        filmed = _filmed(series, index)
        yield {
            "show_id": show_id,
            "title": episode.title,
            "season_number": season,
            "episode_number": number,
            "description": episode.description,
            "script_text": episode.script,
            "category": episode.category,
            "tags": [TAG, *episode.tags],
            "filming_date": filmed.isoformat(),
            "edit_deadline": (filmed + timedelta(days=14)).isoformat(),
            "publish_date": (filmed + timedelta(days=28)).isoformat(),
            "duration_seconds": 900 + 95 * index,
            "copyright": f"© {filmed.year} {series.name}",
            **_standing(season, number, filmed),
        }


def _filmed(series: Series, index: int) -> date:
    return series.start + timedelta(weeks=index % 3, days=210 * (index // 3))


def _standing(season: int, number: int, filmed: date) -> Row:
    if season == 1:
        released = datetime.combine(filmed + timedelta(days=28), time(18), UTC)
        return {"status": "published", "released_at": released.isoformat()}
    return {"status": ("ready_for_publish", "in_production", "draft")[number - 1]}


def clips(series: Series, episode_ids: list[str]) -> Iterator[Row]:
    """The clips of a show, five an episode; now and then one that is not assigned yet."""
    shots = [(index, shot) for index, episode in enumerate(series.episodes) for shot in episode.shots]
    for count, (index, shot) in enumerate(shots, start=1):
        quality, status = TAKES[count % len(TAKES)]
        at = datetime.combine(_filmed(series, index), time(9 + count % 8, 7 * count % 60), UTC)
        yield {
            "title": shot,
            "description": f"{series.episodes[index].title}, take {count % 3 + 1}.",
            "episode_id": None if count % LOOSE_EVERY == 0 else episode_ids[index],
            "talent_source": "Guest" if count % GUEST_EVERY == 0 else series.talent,
            "quality": quality,
            "status": status,
            "recorded_at": at.isoformat(),
            "tags": [TAG, *series.episodes[index].tags],
        }
