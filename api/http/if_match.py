"""What If-Match says: ``*``, or a list of entity tags (RFC 9110, 8.8.3 and 13.1.1)."""

import re
from collections.abc import Iterator
from typing import Final

from models.db.preconditions import ExpectedVersions
from models.errors import Invalid

_ELEMENT: Final = re.compile(r'[ \t]*(?P<tag>(?P<weak>W/)?"(?P<text>[!#-~\x80-\xff]*)")?[ \t]*(?:,|\Z)')
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}")


def expected_versions(if_match: str) -> ExpectedVersions:
    """The versions that a header names. A weak tag names none, nor do one that is not ours and an empty list.

    Raises:
        Invalid: naming If-Match, where it is no list of tags.
    """
    if if_match.strip() == "*":
        return ExpectedVersions(None)
    tags = _tags(if_match)
    return ExpectedVersions(
        tuple(int(tag["text"]) for tag in tags if not tag["weak"] and _VERSION.fullmatch(tag["text"]))
    )


def _tags(text: str) -> Iterator[re.Match[str]]:
    place = 0
    while place < len(text):
        found = _ELEMENT.match(text, place)
        if found is None:
            raise Invalid('an ETag looks like "1"; several are parted by commas', field="If-Match")
        if found["tag"]:
            yield found
        place = found.end()
