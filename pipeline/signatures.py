"""What a file is by its first bytes. Its name is never believed."""

import codecs
from typing import Final

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
    b"mif1": "image/heic",
    b"crx ": "image/x-canon-cr3",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"3gp4": "video/3gpp",
    b"3gp5": "video/3gpp",
}
# QuickTime is older than the box that names its brand.
FIRST_ATOMS: Final = frozenset({b"moov", b"mdat", b"wide", b"pnot"})
# Files that are written in letters, and are still no script.
WRITTEN: Final = ((b"%!PS", "application/postscript"), (b"{\\rtf", "application/rtf"))
TAGS: Final = ((b"<svg", "image/svg+xml"), (b"<html", "text/html"), (b"<!doctype html", "text/html"))
# What `filetype` does not know: BigTIFF, and raw files of cameras.
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
)
MAX_ASCII: Final = 127
END: Final = b"\x1a"  # Ctrl-Z, which DOS programs write behind a text
# Word processors leave page and line breaks, marks of table cells and hyphens; terminals leave bells and backspaces.
CONTROLS: Final = bytes(set(range(32)) - set(b"\a\b\t\n\v\f\r\x1b\x1e\x1f" + END))


def media_type(head: bytes) -> str | None:
    """The MIME type of a file that starts with ``head``, or None when nobody knows it."""
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    if _is_text(head):
        return _kind_of_text(head)
    return (
        _iso_media(head)
        or next((kind for start, kind in STARTS if head.startswith(start)), None)
        or _by_signature(head)
    )


def _by_signature(head: bytes) -> str | None:
    if head.startswith(b"RF64") and head[8:12] == b"WAVE":  # WAV of more than 4 GB, or of a recorder that expects it
        return "audio/wav"
    found = filetype.guess(head)
    return ALIASES.get(found.mime, found.mime) if found else None


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
    return "image/avif" if b"avif" in brands else "image/heic"  # "mif1" alone says only: a picture


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


def _kind_of_text(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for prefix, mime_type in WRITTEN:
        if start.startswith(prefix):
            return mime_type
    lowered = start[:1024].lower()
    return next((mime_type for tag, mime_type in TAGS if lowered.startswith(b"<") and tag in lowered), "text/plain")
