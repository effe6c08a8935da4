"""Refusals in people's words: what a file is, what is taken instead, and the way there."""

import re
from typing import get_args

import filetype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.entities import EntityType, FileRole, MediaKind
from models.media import wording
from models.media.formats import ALIASES, FORMATS, SUFFIXES, canonical
from models.media.limits import PLACES, accepted, size_limit, too_large, unsupported
from models.media.types import kind_of

SEEN = sorted({one.MIME for one in filetype.types} - {"application/octet-stream"})
DECLARED = ["image/x-unheard-of", "application/octet-stream", "jpeg", *ALIASES, *FORMATS]
HOW = re.compile(r"(Export|Save|Develop|Rewrap|Unpack|Send) .+\.$")


@pytest.mark.parametrize(("entity_type", "role"), PLACES)
def test_a_refusal_says_what_it_is_what_is_taken_and_how_to_get_there(entity_type: EntityType, role: FileRole) -> None:
    kinds = accepted(entity_type, role)
    for mime_type in [*DECLARED, *SEEN]:
        if wording.takes(mime_type, kinds):
            continue
        message = unsupported(mime_type, entity_type, kinds, role=role, name="take")
        what, taken, how = re.split(
            r"(?<=\.) (?=An? |The |Export|Save|Develop|Rewrap|Unpack|Send)", message, maxsplit=2
        )
        assert re.fullmatch(r"This is (an? .+|no kind of file we know)\.", what)
        assert "/" not in what
        for kind in kinds:
            assert all(name in taken for name in wording.names(kind)), message
        assert HOW.match(how), message
        assert mime_type not in message.replace("jpeg", "") or mime_type == "jpeg"


def test_every_type_that_can_be_seen_or_taken_has_words() -> None:
    named = {*map(canonical, SEEN), *SUFFIXES.values(), *ALIASES.values()}
    assert named | set().union(*wording.TYPES.values()) <= set(FORMATS)
    assert all(
        kind_of(mime_type) == FORMATS[mime_type].kind for kind in wording.TYPES for mime_type in wording.TYPES[kind]
    )


@pytest.mark.parametrize(
    ("name", "said", "way"),
    [
        ("IMG_0001.HEIC", "a HEIC picture", "Settings → Camera → Formats → Most Compatible"),
        ("00001.MTS", "an AVCHD or transport-stream video", "as MP4 or MOV"),
        ("take.ts", "an AVCHD or transport-stream video", "as MP4 or MOV"),
        ("A001.MXF", "an MXF video", "as MP4 or MOV"),
        ("room.aiff", "an AIFF sound file", "as WAV, FLAC or MP3"),
        ("poster.psd", "a Photoshop file", "as JPEG or PNG"),
        ("DSC_1.NEF", "a raw camera file (Nikon NEF)", "as JPEG"),
        ("script.docx", "a Word document", "Save it as PDF. Send documents to the script of an episode."),
        ("all.zip", "a ZIP archive", "Unpack it"),
    ],
)
def test_camera_files_are_called_what_people_call_them(name: str, said: str, way: str) -> None:
    for declared in (SUFFIXES[f".{name.partition('.')[2].lower()}"], "application/octet-stream", ""):
        message = unsupported(declared, "clip", accepted("clip"), name=name)
        assert message.startswith(f"This is {said}")
        assert way in message


def test_a_type_that_nobody_knows_is_told_the_right_one_where_the_name_promises_it() -> None:
    message = unsupported("jpeg", "clip", accepted("clip"), name="look.jpg")
    assert message.endswith("A file of this name is announced as image/jpeg.")


@given(
    st.sampled_from(get_args(MediaKind)),
    st.sampled_from(get_args(EntityType)),
    st.one_of(st.integers(1, 1024), st.integers(1, 2**40)),
)
def test_a_refusal_for_size_never_names_a_size_that_reads_like_the_limit(
    kind: MediaKind, entity_type: EntityType, over: int
) -> None:
    limit = size_limit(kind, entity_type)
    message = too_large(limit + over, limit, kind, entity_type)
    found = re.search(r"has ([\d,]+) bytes; .+ ([\d,]+) bytes \(([\d.]+) (MB|GB)\)", message)
    assert found is not None
    assert (found[1], found[2]) == (f"{limit + over:,}", f"{limit:,}")
    assert float(found[3]) * {"MB": 1024**2, "GB": 1024**3}[found[4]] == limit


@pytest.mark.parametrize("written", ["IMAGE/JPEG", "image/jpg", "image/jpeg; charset=binary", " image/pjpeg "])
def test_a_type_is_the_same_however_it_is_written(written: str) -> None:
    assert canonical(written) == "image/jpeg"
