"""What an error while a decoder reads means: the file is damaged, or we are in trouble. Never both, never a guess.

Only reading is done under `decoding`. What we do with what was read (crop, scale, convert, write) is done outside it:
an error there is ours, whatever its type.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import av

from models.errors import Fault, JobError, Rejected

# What the machine says when it is the machine's fault. Decoders use other numbers for nonsense in a file.
OURS: Final = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOENT,
        errno.ENOSPC,
        errno.EROFS,
    }
)


@contextmanager
def decoding(what: str) -> Iterator[None]:
    """Turn whatever a decoder raises while it reads into a job's error; ``what`` names the file, as in "picture".

    Raises:
        Rejected: CORRUPT_FILE, for the many types that nonsense in a file raises.
        Fault: INTERNAL, when a disk is broken, a file of ours is gone, or too many are open.
    """
    try:
        yield
    except JobError:
        raise
    except Exception as error:
        raise _meaning(error, what) from error


def _meaning(error: Exception, what: str) -> JobError:
    if _ours(error):
        return Fault("INTERNAL", f"The {what} could not be read on our side.")
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return too_much_memory(what)
    return Rejected("CORRUPT_FILE", f"The {what} is damaged or incomplete and cannot be opened.")


def too_much_memory(what: str) -> Rejected:
    """What a file is told that needs more memory than a decoder has, wherever that was found out."""
    return Rejected("CORRUPT_FILE", f"The {what} asks for more memory than we give: it is damaged, or far too large.")


def _ours(error: Exception) -> bool:
    # FFmpeg borrows the system's numbers for broken data; it only opens files that we have seen to exist.
    return isinstance(error, OSError) and not isinstance(error, av.FFmpegError) and error.errno in OURS
