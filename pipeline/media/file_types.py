"""What a file is by its first bytes. Its name is never believed."""

import codecs
from typing import IO, Final

import filetype

HEAD: Final = 8192  # bytes that a signature may need

ALIASES: Final = {
    "audio/x-flac": "audio/flac",
    "audio/x-wav": "audio/wav",
    "image/apng": "image/png",
    "video/x-m4v": "video/mp4",
}
BRANDS: Final = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic",
    b"hevx": "image/heic",
    b"msf1": "image/heic",
    b"mif1": "image/heic",
    b"crx ": "image/x-canon-cr3",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"3gp4": "video/3gpp",
    b"3gp5": "video/3gpp",
}
# QuickTime is older than the box that names its brand.
FIRST_ATOMS: Final = frozenset({b"moov", b"mdat", b"wide", b"pnot", b"free", b"skip"})
# Files that are written in letters, and are still no script.
WRITTEN: Final = ((b"%!PS", "application/postscript"), (b"{\\rtf", "application/rtf"))
TAGS: Final = ((b"<svg", "image/svg+xml"), (b"<html", "text/html"), (b"<!doctype html", "text/html"))
# What `filetype` does not know: BigTIFF, raw files of cameras, and what cutting rooms and broadcasters write.
STARTS: Final = (
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"IIRO", "image/x-olympus-orf"),
    (b"IIRS", "image/x-olympus-orf"),
    (b"MMOR", "image/x-olympus-orf"),
    (b"IIU\0", "image/x-panasonic-rw2"),
    (b"FUJIFILMCCD-RAW", "image/x-fuji-raf"),
    (b"FOVb", "image/x-sigma-x3f"),
    (b"\0MRM", "image/x-minolta-mrw"),
    (b"\xff\x0a", "image/jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"v/1\x01", "image/x-exr"),
    (b"SDPX", "image/x-dpx"),
    (b"XPDS", "image/x-dpx"),
    (b"gimp xcf", "image/x-xcf"),
    (b"\x06\x0e\x2b\x34", "application/mxf"),
    (b"\x1f\x07\x00", "video/dv"),
    (b"caff\0", "audio/x-caf"),
)
SYNC: Final = 0x47  # each packet of a transport stream begins with it
PACKETS: Final = ((0, 188), (4, 192))  # where the first one has it, and how far it is to the next
# What follows notes of ID3, where it is not the MP3 that they are made for: FLAC, AAC.
BEHIND_NOTES: Final = (b"fLaC", b"\xff\xf1", b"\xff\xf9")
BLANK: Final = b"\xef\xbb\xbf \t\r\n"  # what may stand before the first letter
MAX_ASCII: Final = 127
STRAY: Final = 20  # characters of a text for one control character that does not belong there
END: Final = b"\x1a"  # Ctrl-Z, which DOS programs write behind a text
# Word processors leave page and line breaks, marks of table cells and hyphens; terminals leave bells and backspaces.
CONTROLS: Final = bytes(set(range(32)) - set(b"\a\b\t\n\v\f\r\x1b\x1e\x1f" + END))


def media_type(head: bytes) -> str | None:
    """The MIME type of a file that starts with ``head``, or None when nobody knows it."""
    if head.lstrip(BLANK).startswith(b"%PDF-"):
        return "application/pdf"
    if _is_text(head):
        return _kind_of_text(head)
    return (
        _iso_media(head)
        or next((kind for start, kind in STARTS if head.startswith(start)), None)
        or _by_signature(head)
        or _packets(head)
        or (_kind_of_text(head) if _reads_as_text(head.rstrip(b"\0")) else None)
    )


def head_of(file: IO[bytes]) -> bytes:
    """The first bytes of a file; where notes of ID3 stand before another format than theirs, those behind them."""
    head = file.read(HEAD)
    if not head.startswith(b"ID3"):
        return head
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte & 0x7F
    file.seek(10 + length)
    behind = file.read(HEAD)
    return behind if behind.startswith(BEHIND_NOTES) else head


def _by_signature(head: bytes) -> str | None:
    if head.startswith(b"RF64") and head[8:12] == b"WAVE":  # WAV of more than 4 GB, or of a recorder that expects it
        return "audio/wav"
    if head.startswith(b"FORM") and head[8:12] == b"AIFC":
        return "audio/aiff"
    found = filetype.guess(head)
    return ALIASES.get(found.mime, found.mime) if found else None


def _packets(head: bytes) -> str | None:
    """A transport stream, which has no other mark than the rhythm of its packets."""
    for first, step in PACKETS:
        marks = head[first::step][:5]
        if len(marks) > 2 and set(marks) == {SYNC}:  # noqa: PLR2004 - two may be chance
            return "video/mp2t"
    return None


def _iso_media(head: bytes) -> str | None:
    """MP4 and its many relatives, which say what they are in their first box."""
    if head[4:8] in FIRST_ATOMS:
        return "video/quicktime"
    if head[4:8] != b"ftyp":
        return None
    end = max(16, min(int.from_bytes(head[:4], "big"), len(head)))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
    if BRANDS.get(brands[0]) != "image/heic":
        return BRANDS.get(brands[0], "video/mp4")
    return "image/avif" if {b"avif", b"avis"} & set(brands) else "image/heic"  # "mif1" says only: a picture


def _is_text(head: bytes) -> bool:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _decodes(head, "utf-16")
    if head.translate(None, CONTROLS) != head:
        return False
    return _decodes(head, "utf-8") or _mostly_ascii(head.rstrip(END))  # the latter: Windows' own encodings


def _decodes(head: bytes, encoding: str) -> bool:
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)  # a letter may be cut at the end
    except UnicodeDecodeError:
        return False
    return "\0" not in text


def _mostly_ascii(head: bytes) -> bool:
    foreign = sum(byte > MAX_ASCII for byte in head)
    return foreign <= 0.3 * len(head) and END not in head


def _reads_as_text(head: bytes) -> bool:
    """What is no file of any other kind: letters of any land, or letters with a stray control character."""
    if b"\0" in head:
        return _reads_wide(head, "utf-16-le") or _reads_wide(head, "utf-16-be")
    strays = len(head) - len(head.translate(None, CONTROLS))
    if strays:
        return strays * STRAY <= len(head) and _decodes(head, "utf-8")
    return b" " in head or b"\n" in head  # Windows' encodings give all other bytes to letters


def _reads_wide(head: bytes, encoding: str) -> bool:
    """UTF-16 without its mark at the start."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return (" " in text or "\n" in text) and all(letter.isprintable() or letter.isspace() for letter in text)


def _kind_of_text(head: bytes) -> str:
    start = head.lstrip(BLANK)
    for prefix, mime_type in WRITTEN:
        if start.startswith(prefix):
            return mime_type
    lowered = start[:1024].lower()
    return next((mime_type for tag, mime_type in TAGS if lowered.startswith(b"<") and tag in lowered), "text/plain")
