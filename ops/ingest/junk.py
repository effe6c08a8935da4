"""What lies beside pictures and films and is none: told by its name, skipped and counted.

Systems leave files in every folder, cameras their bookkeeping on every card, programs notes beside what they edited,
browsers halves of what they fetch.
"""

from pathlib import Path
from typing import Final, Literal

Junk = Literal["system file", "system folder", "sidecar", "unfinished file", "hidden file"]
PLURALS: Final[dict[Junk, str]] = {
    "system file": "system files",
    "system folder": "system folders",
    "sidecar": "sidecars",
    "unfinished file": "unfinished files",
    "hidden file": "hidden files",
}
# Names, as they read in small letters.
SYSTEM_FILES: Final = frozenset(
    {
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "icon\r",
        "icon\uf00d",
        "autorun.inf",
        "picasa.ini",
    }
    | {".ds_store", ".localized", ".apdisk", ".volumeicon.icns", ".picasa.ini", "iconcache.db", "albumartsmall.jpg"}
    | {"indexervolumeguid", "wpsettings.dat", "mediapro.xml", "cueup.xml", "discmeta.xml", "status.bin", "sync.ffs_db"}
)
SYSTEM_FOLDERS: Final = frozenset(
    {"@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", "$recycle.bin", "recycler"}
    | {"recycled", "system volume information", "found.000", "lost+found", "__macosx", "network trash folder"}
    | {"temporary items", ".trashes", ".trash", ".spotlight-v100", ".fseventsd", ".temporaryitems", ".appledouble"}
    | {".thumbnails", ".documentrevisions-v100", ".@__thumb"}
)
# Folders of a camera's card, within others: its own thumbnails, and small copies of each take.
OF_A_CARD: Final = frozenset(
    {("m4root", "thmbnl"), ("m4root", "sub"), ("xdroot", "thmbnl"), ("contents", "icon"), ("contents", "proxy")}
)
SIDECARS: Final = frozenset(
    {".xmp", ".aae", ".thm", ".lrf", ".lrv", ".glv", ".srt", ".vtt", ".xml", ".json", ".gpx", ".nmea"}  # notes of takes
    | {".cpi", ".bdm", ".bdmv", ".mpl", ".mpls", ".tdt", ".tid", ".ctg", ".bnp", ".int", ".inp", ".ind", ".bim", ".smi"}
    | {".ppn", ".rmd", ".pgi", ".sav", ".moff", ".modd", ".dop", ".cos", ".pp3", ".on1", ".nksc"}  # cameras, developers
    | {".mhl", ".md5", ".sha1", ".sha256", ".xxh", ".xxh64", ".sfv", ".ale", ".edl", ".cdl", ".ccc", ".cube"}  # on set
    | {".pek", ".cfa", ".ims", ".pkf", ".sfk", ".sfl", ".asd", ".gpk", ".reapeaks", ".wfm"}  # caches of sound programs
)
SHORTCUTS: Final = frozenset({".lnk", ".url", ".webloc", ".desktop"})
UNFINISHED: Final = frozenset(
    {".part", ".partial", ".crdownload", ".download", ".opdownload", ".filepart", ".aria2", ".!ut", ".!qb", ".bc!"}
    | {".tmp", ".temp", ".icloud", ".swp", ".fcpcache", ".ytdl", ".dtapart", ".unfinished"}
)
CACHES: Final = frozenset({".lrdata", ".download"})  # folders that look like a file to people


def of_file(path: Path) -> Junk | None:
    """What kind of junk a file is by its name; None where it is none."""
    name, suffix = path.name.lower(), path.suffix.lower()
    if name in SYSTEM_FILES or name.startswith(("._", "albumart_{", "thumbs.db:")) or suffix in SHORTCUTS:
        return "system file"
    if (
        suffix in UNFINISHED
        or suffix.startswith(".part-frag")
        or name.startswith(("~$", ".~lock."))
        or name.endswith("~")
    ):
        return "unfinished file"
    if name.startswith("."):
        return "hidden file"
    return "sidecar" if suffix in SIDECARS else None


def of_folder(path: Path) -> Junk | None:
    """What kind of junk a folder is, with all that is in it; None where it is none."""
    name, within = path.name.lower(), path.parent.name.lower()
    if name in SYSTEM_FOLDERS or (within, name) in OF_A_CARD or path.suffix.lower() in CACHES:
        return "system folder"
    return "hidden file" if name.startswith(".") else None


def told(skipped: dict[Junk, int]) -> str:
    """One line: ``skipped: 3 system files, 1 sidecar``."""
    counts = [(skipped[kind], kind if skipped[kind] == 1 else PLURALS[kind]) for kind in PLURALS if skipped.get(kind)]
    return f"skipped: {', '.join(f'{number} {kind}' for number, kind in counts)}"
