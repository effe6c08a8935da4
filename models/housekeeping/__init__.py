"""What the system tidies up, and when. Light: the command line reads the names of the tasks from here."""

from typing import Literal

TaskName = Literal[
    "expired-uploads", "orphan-objects", "trash", "idempotency-keys", "finished-jobs", "search-check", "integrity"
]
