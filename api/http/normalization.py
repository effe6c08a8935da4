"""One normal form of text, NFC, on the way in: what is written in two ways is one text to search and to compare.

macOS names files in the decomposed form, and people type the composed one. References alone stay as they come: an
object is found by the very bytes of its key.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from typing import Any, Final, NamedTuple
from unicodedata import category, normalize
from urllib.parse import quote, unquote_to_bytes

import msgspec

from api.http.validation import look
from models.errors import Invalid

MOST_MARKS: Final = 30  # on one letter, as in Unicode's stream-safe format: to order them takes their square
PIECE: Final = 32_768  # characters that are normalized at once, so that another thread has its turn
_JAMO: Final = "\u1161-\u1175\u11a8-\u11c2"  # join what stands before them, as marks do
_PLANE: Final = 0x10000
_LAST_MARK: Final = 0x1F000  # behind it are only those that choose a picture
_UNREADABLE: Final = (ValueError, RecursionError)


def of_text(text: str) -> str:
    """A text in its normal form.

    Raises:
        Invalid: where a letter carries too many marks.
    """
    if text.isascii():
        return text
    if _patterns().crowd_of(text).search(text):
        raise Invalid(f"a letter may carry {MOST_MARKS} marks")
    return "".join(normalize("NFC", piece) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    """Parts that can be normalized alone."""
    start, alone = 0, _patterns().alone
    while start < len(text):
        following = alone.search(text, start + PIECE)
        end = following.start() if following else len(text)
        yield text[start:end]
        start = end


class _Patterns(NamedTuple):
    """A letter with too many marks, in the first plane and in any; a character that does not join the one before it.

    A class of the first plane is a table, of others a row of comparisons, and most texts need none.
    """

    crowd: re.Pattern[str]
    any_crowd: re.Pattern[str]
    beyond: re.Pattern[str]
    alone: re.Pattern[str]

    def crowd_of(self, text: str) -> re.Pattern[str]:
        """The one that is enough for a text."""
        return self.any_crowd if self.beyond.search(text) else self.crowd


@cache
def _patterns() -> _Patterns:
    marks = [number for number in range(_LAST_MARK) if category(chr(number)).startswith("M")]
    first, beyond = _ranges(number for number in marks if number < _PLANE), f"[{chr(_PLANE)}-{chr(_LAST_MARK)}]"
    any_mark = f"(?:[{first}]|(?={beyond})[{_ranges(number for number in marks if number >= _PLANE)}])"
    alone = f"[^{first}{_JAMO}{beyond[1:]}"
    return _Patterns(*map(re.compile, (_crowd(f"[{first}]"), _crowd(any_mark), beyond, alone)))


def _crowd(mark: str) -> str:
    """The first of too many, so that a run of marks is looked at once."""
    return f"{mark}(?<!{mark}{mark}){mark}{{{MOST_MARKS}}}"


def _ranges(numbers: Iterable[int]) -> str:
    """Characters by their numbers, as a pattern names many: ``a-fx-z``."""
    runs = groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    found = ([number for _, number in run] for _, run in runs)
    return "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in found)


def of_json(raw: bytes) -> bytes:
    """JSON whose keys and texts are in their normal form; what cannot be read is left as it is.

    Raises:
        Invalid: where a letter carries too many marks.
        Repeated: where two keys of an object become one.
    """
    escaped = b"\\u" in raw
    if raw.isascii() and not escaped:
        return raw
    try:
        return _unescaped(raw) if escaped else _of_plain(raw)
    except _UNREADABLE:
        return raw


def _of_plain(raw: bytes) -> bytes:
    """Of JSON that says each letter as itself: mostly all of it is in the normal form already."""
    text = raw.decode()
    normal = of_text(text)
    if normal == text:
        return raw
    whole = b"\\" not in raw and b"eference" not in raw  # the n of \\n would take the marks behind it
    return normal.encode() if whole else _of_each(raw)


def _unescaped(raw: bytes) -> bytes:
    """Of JSON that says letters by their numbers, as Python writes it."""
    plain = msgspec.json.encode(_loaded(raw))
    return plain if of_text(text := plain.decode()) == text else _of_each(raw)


def _of_each(raw: bytes) -> bytes:
    return msgspec.json.encode(_of_value(_loaded(raw)))


def _loaded(raw: bytes) -> Any:
    """JSON whose numbers stay as they are written."""
    return _READER.decode(raw.decode())


def _number(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


_READER: Final = json.JSONDecoder(
    object_pairs_hook=look, parse_int=_number, parse_float=_number, parse_constant=_number
)


def _of_value(value: Any) -> Any:
    match value:
        case str():
            return of_text(value)
        case list():
            return [_of_value(one) for one in value]
        case dict():
            return look([(of_text(key), one if _is_exact(key) else _of_value(one)) for key, one in value.items()])
    return value


def _is_exact(name: str) -> bool:
    return name.lower().endswith("reference")


def of_query(query: bytes) -> bytes:
    """The values of a query string in their normal form.

    Raises:
        Invalid: naming the parameter where a letter carries too many marks.
    """
    return b"&".join(map(_of_parameter, query.split(b"&")))


def _of_parameter(parameter: bytes) -> bytes:
    name, _, value = parameter.partition(b"=")
    if _is_exact(name.decode("latin-1")):
        return parameter
    try:
        text = unquote_to_bytes(value.replace(b"+", b" ")).decode()
        normal = of_text(text)
    except UnicodeDecodeError:
        return parameter
    except Invalid as error:
        raise Invalid(error.message, field=name.decode("latin-1")) from None
    return parameter if normal == text else b"%b=%b" % (name, quote(normal, safe="").encode())
