"""The versions of the sample scripts: most episodes have one, three show how theirs came about."""

from typing import Any, Final

from ops.seed.series import PlannedEpisode

Row = dict[str, Any]


def versions(episode: PlannedEpisode) -> tuple[Row, ...]:
    """The versions of an episode's script, the oldest first; one is active."""
    final = {"title": "Shooting script", "content": f"{episode.script}\n", "is_active": True}
    return DRAFTS.get(episode.title, (final,))


DRAFTS: Final[dict[str, tuple[Row, ...]]] = {
    "Ten Pieces, Thirty Mornings": (
        {
            "title": "First draft",
            "change_notes": "Written on the train.",
            "content": """INT. WARDROBE ROOM - MORNING

An open rail with ten pieces. LALA enters in a bathrobe.

LALA
Hello everybody! These are ten pieces.
I will wear them for a month.

She takes the white shirt and holds it up.

LALA
Watch the white shirt.
""",
        },
        {
            "title": "Second draft",
            "change_notes": "The rule comes in; no greeting to everybody.",
            "content": """INT. WARDROBE ROOM - MORNING

An open rail with ten pieces. LALA enters in a bathrobe.

LALA
Good morning. These are ten pieces, and that is all there is until the end of the month.
The rule is simple: nothing new, nothing borrowed.

She takes the white shirt and holds it up.

LALA
Watch the white shirt.
""",
        },
        {
            "title": "Shooting script",
            "change_notes": "Nothing twice in the same way: the rule needs a third leg. Day thirty at the end.",
            "is_active": True,
            "content": """INT. WARDROBE ROOM - MORNING

An open rail with ten pieces. LALA enters in a bathrobe.

LALA
Good morning. These are ten pieces, and that is all there is until the end of the month.
The rule is simple: nothing new, nothing borrowed, and nothing twice in the same way.

She takes the white shirt and holds it up against the window.

LALA
Watch the white shirt. It is going to work harder than any of us.

EXT. TRAM STOP - DAY THIRTY

The same shirt, knotted over the last combination.
""",
        },
    ),
    "The Wedding Guest Problem": (
        {
            "title": "First draft",
            "content": """INT. KITCHEN - EVENING

Three invitations on the table.

LALA
Black tie optional, garden chic, and festive.
Start with the dress.
And no, white is not a colour for guests.
""",
        },
        {
            "title": "Shooting script",
            "change_notes": "Shoes before the dress, after the call with Aurélie. Champagne is the funnier colour.",
            "is_active": True,
            "content": """INT. KITCHEN - EVENING

Three invitations on the table.

LALA
Black tie optional, garden chic, and festive. Nobody knows what festive means.
Start with the shoes: grass, gravel or marble decides more than any dress code.
And no, champagne is not a colour for guests.
""",
        },
    ),
    "The Interview Jacket": (
        {
            "title": "First draft",
            "content": """INT. FITTING ROOM - DAY

Chalk on navy wool. RENATA pins the shoulder.

RENATA
The shoulder has to end where you end.

EXT. OFFICE TOWER - DAY

THE HOST
They asked for energy.
""",
        },
        {
            "title": "Shooting script",
            "change_notes": "Deadlines; the price.",
            "is_active": True,
            "content": """INT. FITTING ROOM - DAY

Chalk on navy wool. RENATA pins the shoulder.

RENATA
The shoulder has to end where you end. Everything else can be altered.

EXT. OFFICE TOWER - DAY

THE HOST
They asked for energy. I brought a jacket and forty years of deadlines.
Say your price, then stop talking.
""",
        },
        {
            "title": "With the phone call",
            "change_notes": "Proposal, not agreed yet: she gets the job on camera.",
            "content": """INT. FITTING ROOM - DAY

Chalk on navy wool. RENATA pins the shoulder.

RENATA
The shoulder has to end where you end. Everything else can be altered.

EXT. OFFICE TOWER - DAY

THE HOST
They asked for energy. I brought a jacket and forty years of deadlines.
Say your price, then stop talking.

The phone rings. She listens, and takes off her shoes.
""",
        },
    ),
}
