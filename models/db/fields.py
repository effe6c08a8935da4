"""The types that fields share, with their bounds; the database checks the same."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct, structs

# ``$(?!\n)``: in Python, ``$`` alone also matches before a newline at the end.
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
HeaderValue = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[!-~]+( [!-~]+)*$(?!\n)")]
FileName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$(?!\n)")]
Title = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
Text = Annotated[str, Meta(max_length=20_000)]
Note = Annotated[str, Meta(max_length=10_000)]
ScriptText = Annotated[str, Meta(max_length=1_000_000)]
# The columns of these three, of which a row may have so much that a page holds fewer of them.
LONG: Final = frozenset(
    ("description", "bio", "usage_context", "notes", "copyright", "change_notes", "script_text", "content")
)
Label = Annotated[str, Meta(max_length=100)]
ObjectReference = Annotated[str, Meta(min_length=1, max_length=1024)]
# An object, or a page that a browser may follow: never a script, and nothing that travels in the clear.
REFERENCE = r"^(s3://[^/\s]+/.|https://[^\s\x00-\x1f\x7f/?#@\\]+([/?#][^\s\x00-\x1f\x7f]*)?$(?!\n))"
ReferenceText = Annotated[str, Meta(min_length=1, max_length=1024, pattern=REFERENCE)]
Tags = Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=100)]
Language = Annotated[str, Meta(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$(?!\n)", max_length=35)]
Ordinal = Annotated[int, Meta(ge=1, le=2_147_483_647)]
Position = Annotated[int, Meta(ge=0, le=2_147_483_647)]
Moment = Annotated[float, Meta(ge=0, le=2_147_483_647)]
Seconds = Annotated[int, Meta(ge=0, le=2_147_483_647)]
Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$(?!\n)", max_length=254)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
Json = dict[str, Any]  # with the bounds of ``documents``
Count = Annotated[int, Meta(ge=0, le=2**53)]
FileSize = Annotated[int, Meta(ge=1, le=2**53)]


class Tagged(Struct):
    """What is sent of something with ``tags``: they are a set, of which each is kept where it first stands."""

    def __post_init__(self) -> None:
        tags = getattr(self, "tags", None)
        if isinstance(tags, list):
            structs.force_setattr(self, "tags", list(dict.fromkeys(tags)))
