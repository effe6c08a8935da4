"""Who signs tokens: whether the keys can be fetched, and whether some of them are of a kind that we verify."""

from collections.abc import Iterator
from typing import Final

from api.auth.jwks import NOT_FETCHED, source_of, usable
from models.settings import Settings
from ops.doctor.finding import Finding, sentence

AREA: Final = "issuer"
MEND: Final = "check JWKS_URL or COGNITO_USER_POOL_ID, and that this machine reaches it"


def check(settings: Settings) -> Iterator[Finding]:
    """One fetch, as the API does it at the first token."""
    if settings.embedded_issuer:
        yield Finding(AREA, "good", "tokens are signed by the key in the data directory, as is fit for development")
        return
    try:
        keys = usable(source_of(settings)())
    except NOT_FETCHED as error:
        yield Finding(AREA, "wrong", f"its keys cannot be fetched: {sentence(error)}", MEND)
        return
    if keys:
        yield Finding(AREA, "good", f"{len(keys)} of its keys can be used")
    else:
        yield Finding(AREA, "wrong", "none of its keys signs by RS256, ES256 or EdDSA", MEND)
