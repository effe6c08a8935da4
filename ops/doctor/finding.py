"""What a check says."""

from typing import Literal

from msgspec import Struct

Verdict = Literal["good", "warning", "wrong"]


class Finding(Struct, frozen=True):
    """One thing that was looked at; ``mend`` says what to do where it is not good."""

    area: str
    verdict: Verdict
    what: str
    mend: str | None = None


def sentence(error: BaseException) -> str:
    """An error on one line."""
    return " ".join(str(error).split()) or type(error).__name__
