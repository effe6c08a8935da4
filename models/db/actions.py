"""What a row of the audit log may say was done; apart from the rest, so that the command line's start stays light."""

from typing import Literal

Action = Literal[
    "create",
    "update",
    "delete",
    "restore",
    "link",
    "unlink",
    "ingest",
    "retry",
    "cancel",
    "pause",
    "resume",
    "reprocess",
    "run",
    "purge",
]
