"""Formats as people call them, what they are known by, and the way from each to one that is taken."""

from pathlib import PurePath
from typing import Final, NamedTuple

from models.media.types import MediaKind

TO_JPEG: Final = "Export it as JPEG or PNG."
FROM_A_PHONE: Final = "Export it as JPEG; an iPhone takes JPEG with Settings → Camera → Formats → Most Compatible."
FROM_RAW: Final = "Develop it, or export it from the camera's program, as JPEG."
TO_MP4: Final = "Rewrap it, or export it, as MP4 or MOV."
TO_WAV: Final = "Export it as WAV, FLAC or MP3."
TO_PDF: Final = "Save it as PDF."
UNPACK: Final = "Unpack it and send the files that are in it."
UNKNOWN: Final = "application/octet-stream"

NO_MEDIA: Final = "Send the picture, video, sound or document itself."


# Names that are spoken with a vowel first.
VOWELS: Final = frozenset(
    {
        "AVIF",
        "AVI",
        "MP4",
        "MKV",
        "MXF",
        "AIFF",
        "MKA",
        "MP3",
        "M4A",
        "AAC",
        "Ogg",
        "Opus",
        "AMR",
        "OpenEXR",
        "XZ",
        "LZ4",
    }
)


class Format(NamedTuple):
    """A format in people's words: its name, what a file of it is, which kind of medium, and the way to what we take."""

    name: str
    said: str
    kind: MediaKind | None
    way: str = NO_MEDIA


def _picture(name: str, way: str = TO_JPEG) -> Format:
    return Format(name, f"{_named(name)} picture", "image", way)


def _raw(maker: str) -> Format:
    return Format(maker, f"a raw camera file ({maker})", "image", FROM_RAW)


def _video(name: str, said: str = "") -> Format:
    return Format(name, said or f"{_named(name)} video", "video", TO_MP4)


def _sound(name: str) -> Format:
    return Format(name, f"{_named(name)} sound file", "audio", TO_WAV)


def _document(name: str, said: str = "") -> Format:
    return Format(name, said or f"{_named(name)} document", "document", TO_PDF)


def _archive(name: str) -> Format:
    return Format(name, f"{_named(name)} archive", None, UNPACK)


def _thing(said: str, way: str = NO_MEDIA) -> Format:
    return Format(said.partition(" ")[2], said, None, way)


def _named(name: str) -> str:
    return f"{'an' if name in VOWELS else 'a'} {name}"


# In the order in which they are listed.
FORMATS: Final[dict[str, Format]] = {
    "image/jpeg": _picture("JPEG"),
    "image/png": _picture("PNG"),
    "image/webp": _picture("WebP"),
    "image/gif": _picture("GIF"),
    "image/tiff": _picture("TIFF"),
    "image/avif": _picture("AVIF"),
    "image/heic": _picture("HEIC", FROM_A_PHONE),
    "image/heif": _picture("HEIF", FROM_A_PHONE),
    "image/bmp": _picture("BMP"),
    "image/jp2": _picture("JPEG 2000"),
    "image/jpx": _picture("JPEG 2000"),
    "image/jxl": _picture("JPEG XL"),
    "image/vnd.ms-photo": _picture("JPEG XR"),
    "image/vnd.adobe.photoshop": Format("PSD", "a Photoshop file", "image", TO_JPEG),
    "image/x-adobe-dng": _raw("DNG"),
    "image/x-canon-cr2": _raw("Canon CR2"),
    "image/x-canon-cr3": _raw("Canon CR3"),
    "image/x-nikon-nef": _raw("Nikon NEF"),
    "image/x-sony-arw": _raw("Sony ARW"),
    "image/x-fuji-raf": _raw("Fujifilm RAF"),
    "image/x-olympus-orf": _raw("Olympus ORF"),
    "image/x-panasonic-rw2": _raw("Panasonic RW2"),
    "image/x-pentax-pef": _raw("Pentax PEF"),
    "image/x-samsung-srw": _raw("Samsung SRW"),
    "image/x-sigma-x3f": _raw("Sigma X3F"),
    "image/x-minolta-mrw": _raw("Minolta MRW"),
    "image/x-raw": Format("raw", "a raw camera file", "image", FROM_RAW),
    "image/svg+xml": Format("SVG", "an SVG drawing", "image", TO_JPEG),
    "image/x-icon": Format("ICO", "an icon", "image", TO_JPEG),
    "image/x-xcf": Format("XCF", "a GIMP file", "image", TO_JPEG),
    "image/vnd.dwg": Format("DWG", "a CAD drawing", "image", TO_JPEG),
    "image/x-exr": _picture("OpenEXR"),
    "image/x-dpx": _picture("DPX"),
    "image/x-tga": _picture("TGA"),
    "application/postscript": Format("PostScript", "a PostScript drawing", "image", TO_JPEG),
    "application/dicom": Format("DICOM", "a medical picture (DICOM)", "image", TO_JPEG),
    "video/mp4": _video("MP4"),
    "video/quicktime": _video("MOV"),
    "video/3gpp": _video("3GP"),
    "video/3gpp2": _video("3G2"),
    "video/x-matroska": _video("MKV"),
    "video/webm": _video("WebM"),
    "video/x-msvideo": _video("AVI"),
    "video/mp2t": _video("MPEG-TS", "an AVCHD or transport-stream video (MTS, M2TS, TS)"),
    "video/mpeg": _video("MPEG-PS", "an MPEG video (MPG, VOB)"),
    "application/mxf": _video("MXF"),
    "video/x-ms-wmv": _video("WMV", "a Windows Media video (WMV)"),
    "video/x-ms-asf": _video("ASF", "a Windows Media file (ASF)"),
    "video/x-flv": _video("FLV", "a Flash video (FLV)"),
    "video/ogg": _video("Ogg"),
    "video/dv": _video("DV"),
    "video/x-red-r3d": _video("R3D", "a raw video of a RED camera (R3D)"),
    "video/x-braw": _video("BRAW", "a raw video of a Blackmagic camera (BRAW)"),
    "video/x-arri": _video("ARRIRAW", "a raw video of an ARRI camera"),
    "video/x-crm": _video("CRM", "a raw video of a Canon camera (CRM)"),
    "video/x-insv": _video("INSV", "a 360° video of an Insta360 camera (INSV)"),
    "application/x-shockwave-flash": Format("SWF", "a Flash animation", "video", TO_MP4),
    "audio/wav": _sound("WAV"),
    "audio/aiff": _sound("AIFF"),
    "audio/x-aiff": _sound("AIFF"),
    "audio/mpeg": _sound("MP3"),
    "audio/mp4": _sound("M4A"),
    "audio/aac": _sound("AAC"),
    "audio/flac": _sound("FLAC"),
    "audio/ogg": _sound("Ogg"),
    "audio/opus": _sound("Opus"),
    "audio/webm": _sound("WebM"),
    "audio/x-matroska": _sound("MKA"),
    "audio/x-caf": _sound("CAF"),
    "audio/amr": _sound("AMR"),
    "audio/x-ms-wma": _sound("WMA"),
    "audio/midi": _sound("MIDI"),
    "application/pdf": _document("PDF"),
    "text/plain": Format("text", "a text file", "document", TO_PDF),
    "text/html": Format("HTML", "a web page", "document", TO_PDF),
    "text/csv": Format("CSV", "a table (CSV)", "document", TO_PDF),
    "application/rtf": Format("RTF", "a rich-text document", "document", TO_PDF),
    "application/msword": _document("Word", "a Word document"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": _document("Word", "a Word document"),
    "application/vnd.oasis.opendocument.text": _document("OpenDocument", "an OpenDocument text"),
    "application/vnd.apple.pages": _document("Pages"),
    "application/vnd.ms-excel": Format("Excel", "an Excel table", "document", TO_PDF),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": _document("Excel", "an Excel table"),
    "application/vnd.oasis.opendocument.spreadsheet": _document("OpenDocument", "an OpenDocument table"),
    "application/vnd.ms-powerpoint": _document("PowerPoint", "a PowerPoint presentation"),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": _document(
        "PowerPoint", "a PowerPoint presentation"
    ),
    "application/vnd.oasis.opendocument.presentation": _document("OpenDocument", "an OpenDocument presentation"),
    "application/vnd.apple.keynote": _document("Keynote", "a Keynote presentation"),
    "application/epub+zip": _document("EPUB", "an e-book (EPUB)"),
    "application/zip": _archive("ZIP"),
    "application/x-tar": _archive("TAR"),
    "application/gzip": _archive("gzip"),
    "application/x-bzip2": _archive("bzip2"),
    "application/x-xz": _archive("XZ"),
    "application/zstd": _archive("Zstandard"),
    "application/x-7z-compressed": _archive("7-Zip"),
    "application/x-rar-compressed": _archive("RAR"),
    "application/x-brotli": _archive("Brotli"),
    "application/x-lz4": _archive("LZ4"),
    "application/x-lzip": _archive("lzip"),
    "application/x-lzop": _archive("lzop"),
    "application/x-compress": _archive("compress"),
    "application/x-unix-archive": _archive("Unix"),
    "application/vnd.ms-cab-compressed": _archive("CAB"),
    "application/x-rpm": _thing("a program package"),
    "application/x-deb": _thing("a program package"),
    "application/x-google-chrome-extension": _thing("a browser extension"),
    "application/x-msdownload": _thing("a Windows program"),
    "application/x-executable": _thing("a program"),
    "application/wasm": _thing("a program"),
    "application/x-sqlite3": _thing("a database"),
    "application/x-nintendo-nes-rom": _thing("a game"),
    "application/font-woff": _thing("a font"),
    "application/font-sfnt": _thing("a font"),
    "application/json": _thing("a data file (JSON)"),
    "application/xml": _thing("a data file (XML)"),
}
# The same formats under other names, by which browsers and libraries call them.
ALIASES: Final = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/apng": "image/png",
    "image/x-png": "image/png",
    "image/x-ms-bmp": "image/bmp",
    "image/heic-sequence": "image/heic",
    "image/heif-sequence": "image/heif",
    "image/x-photoshop": "image/vnd.adobe.photoshop",
    "image/photoshop": "image/vnd.adobe.photoshop",
    "application/x-photoshop": "image/vnd.adobe.photoshop",
    "image/vnd.microsoft.icon": "image/x-icon",
    "image/dng": "image/x-adobe-dng",
    "image/x-dng": "image/x-adobe-dng",
    "video/x-m4v": "video/mp4",
    "video/avi": "video/x-msvideo",
    "video/msvideo": "video/x-msvideo",
    "video/vnd.avi": "video/x-msvideo",
    "video/matroska": "video/x-matroska",
    "model/vnd.mts": "video/mp2t",
    "video/vnd.dlna.mpeg-tts": "video/mp2t",
    "text/vnd.trolltech.linguist": "video/mp2t",
    "video/mp2p": "video/mpeg",
    "video/flv": "video/x-flv",
    "video/x-dv": "video/dv",
    "audio/mp3": "audio/mpeg",
    "audio/x-mp3": "audio/mpeg",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "application/ogg": "audio/ogg",
    "audio/x-aac": "audio/aac",
    "text/rtf": "application/rtf",
    "text/xml": "application/xml",
    "text/markdown": "text/plain",
    "text/x-markdown": "text/plain",
    "text/x-fountain": "text/plain",
    "application/x-final-draft": "text/plain",
    "application/x-zip-compressed": "application/zip",
    "application/x-gzip": "application/gzip",
    "application/vnd.rar": "application/x-rar-compressed",
}
# What a name's ending tells: first what cameras, phones and cutting rooms write.
SUFFIXES: Final = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "image/jpeg"),
    **dict.fromkeys((".png", ".apng"), "image/png"),
    ".webp": "image/webp",
    ".gif": "image/gif",
    **dict.fromkeys((".tif", ".tiff"), "image/tiff"),
    ".avif": "image/avif",
    **dict.fromkeys((".bmp", ".dib"), "image/bmp"),
    ".heic": "image/heic",
    **dict.fromkeys((".heif", ".hif"), "image/heif"),
    **dict.fromkeys((".jp2", ".j2k", ".jpx", ".jpf"), "image/jp2"),
    ".jxl": "image/jxl",
    ".jxr": "image/vnd.ms-photo",
    **dict.fromkeys((".psd", ".psb"), "image/vnd.adobe.photoshop"),
    ".dng": "image/x-adobe-dng",
    ".cr2": "image/x-canon-cr2",
    ".cr3": "image/x-canon-cr3",
    **dict.fromkeys((".nef", ".nrw"), "image/x-nikon-nef"),
    **dict.fromkeys((".arw", ".srf", ".sr2"), "image/x-sony-arw"),
    ".raf": "image/x-fuji-raf",
    ".orf": "image/x-olympus-orf",
    ".rw2": "image/x-panasonic-rw2",
    ".pef": "image/x-pentax-pef",
    ".srw": "image/x-samsung-srw",
    ".x3f": "image/x-sigma-x3f",
    ".mrw": "image/x-minolta-mrw",
    **dict.fromkeys((".svg", ".svgz"), "image/svg+xml"),
    ".ico": "image/x-icon",
    ".xcf": "image/x-xcf",
    ".dwg": "image/vnd.dwg",
    ".exr": "image/x-exr",
    ".dpx": "image/x-dpx",
    ".tga": "image/x-tga",
    **dict.fromkeys((".ai", ".eps", ".ps"), "application/postscript"),
    **dict.fromkeys((".mp4", ".m4v"), "video/mp4"),
    **dict.fromkeys((".mov", ".qt"), "video/quicktime"),
    **dict.fromkeys((".3gp", ".3gpp"), "video/3gpp"),
    ".3g2": "video/3gpp2",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".avi": "video/x-msvideo",
    **dict.fromkeys((".mts", ".m2ts", ".m2t", ".ts", ".tod"), "video/mp2t"),
    **dict.fromkeys((".mpg", ".mpeg", ".mpe", ".m2v", ".vob", ".mod"), "video/mpeg"),
    ".mxf": "application/mxf",
    ".wmv": "video/x-ms-wmv",
    ".asf": "video/x-ms-asf",
    **dict.fromkeys((".flv", ".f4v"), "video/x-flv"),
    ".ogv": "video/ogg",
    **dict.fromkeys((".dv", ".dif"), "video/dv"),
    ".r3d": "video/x-red-r3d",
    ".braw": "video/x-braw",
    **dict.fromkeys((".ari", ".arx"), "video/x-arri"),
    ".crm": "video/x-crm",
    **dict.fromkeys((".insv", ".insp"), "video/x-insv"),
    ".swf": "application/x-shockwave-flash",
    **dict.fromkeys((".wav", ".wave", ".bwf", ".rf64"), "audio/wav"),
    **dict.fromkeys((".aif", ".aiff", ".aifc"), "audio/aiff"),
    ".mp3": "audio/mpeg",
    **dict.fromkeys((".m4a", ".m4b"), "audio/mp4"),
    ".aac": "audio/aac",
    ".flac": "audio/flac",
    **dict.fromkeys((".ogg", ".oga"), "audio/ogg"),
    ".opus": "audio/opus",
    ".caf": "audio/x-caf",
    ".mka": "audio/x-matroska",
    ".weba": "audio/webm",
    ".amr": "audio/amr",
    ".wma": "audio/x-ms-wma",
    **dict.fromkeys((".mid", ".midi"), "audio/midi"),
    ".pdf": "application/pdf",
    **dict.fromkeys((".txt", ".text", ".md", ".markdown", ".fountain", ".fdx"), "text/plain"),
    **dict.fromkeys((".htm", ".html", ".xhtml"), "text/html"),
    ".csv": "text/csv",
    ".rtf": "application/rtf",
    ".doc": "application/msword",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".pages": "application/vnd.apple.pages",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".ppt": "application/vnd.ms-powerpoint",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".key": "application/vnd.apple.keynote",
    ".epub": "application/epub+zip",
    ".zip": "application/zip",
    ".tar": "application/x-tar",
    **dict.fromkeys((".gz", ".tgz"), "application/gzip"),
    ".7z": "application/x-7z-compressed",
    ".rar": "application/x-rar-compressed",
    ".json": "application/json",
    ".xml": "application/xml",
    ".exe": "application/x-msdownload",
}


def canonical(mime_type: str) -> str:
    """The one name of a type, however it is written."""
    plain = mime_type.partition(";")[0].strip().lower()
    return ALIASES.get(plain, plain)


def by_name(file_name: str) -> str | None:
    """The type that a file's name promises."""
    return SUFFIXES.get(PurePath(file_name).suffix.lower())
