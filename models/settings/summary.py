"""What a process stands on, for one line of its log: no line of it holds a secret."""

from urllib.parse import urlsplit

from models import build
from models.settings.types import Settings


def summary(settings: Settings) -> dict[str, object]:
    """The environment, the services by host, who signs tokens, and what is limited."""
    return {
        "app_env": settings.app_env,
        "version": build.version(),
        "home": str(settings.episodes_home),
        "database": _place(settings.database_url),
        "broker": _place(settings.broker),
        "storage": settings.s3_endpoint_url or f"Amazon S3, {settings.aws_region}",
        "issuer": _issuer(settings),
        "rate_limit_per_minute": settings.rate_limit,
    }


def _place(url: str) -> str:
    """A URL without who signs in there, and without its parameters, among which a password may be."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _issuer(settings: Settings) -> str:
    if settings.embedded_issuer:
        return "embedded"
    return settings.jwt_issuer or f"Cognito {settings.cognito_user_pool_id}"
