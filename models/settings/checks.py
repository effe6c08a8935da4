"""What the settings are refused for beyond the pattern of each, and what is said of them loudly at the start.

A problem is the name of a setting and a sentence. What is fit for development only is refused wherever others can
reach us.
"""

from collections.abc import Iterator
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from models.roles import RANK
from models.settings.types import EXPOSED, Settings

Problem = tuple[str, str]
LARGEST_PORT: Final = 65535
URLS: Final = (
    "database_url",
    "migration_database_url",
    "redis_url",
    "broker_url",
    "s3_endpoint_url",
    "s3_public_endpoint_url",
    "jwks_url",
)
SECRET_URLS: Final = ("database_url", "migration_database_url", "redis_url", "broker_url")
WELL_KNOWN: Final = frozenset({"episodes", "postgres", "password", "changeme", "rabbitmq", "12345678", "123456789"})
SHORTEST_PASSWORD: Final = 8  # characters; what can be guessed in a day is none
MOST_TOKENS: Final = 2  # of metrics: the one that is given out, and the one that goes


def problems(settings: Settings) -> Iterator[Problem]:
    """Everything that these settings are refused for."""
    yield from _unreadable(settings)
    yield from _contradictions(settings)
    yield from _sign_in(settings)
    if settings.app_env != "development" and settings.decoder_cage == "off":
        yield "DECODER_CAGE", f"off is for development, not for {settings.app_env}"
    if settings.app_env in EXPOSED:
        yield from _unsafe(settings)
    if settings.app_env == "production" and settings.cage != "required" and settings.decoder_cage != "off":
        yield "DECODER_CAGE", f"production needs required, not {settings.cage}"


def warnings(settings: Settings) -> Iterator[Problem]:
    """What is allowed, and said at each start because somebody may not have meant it."""
    if settings.app_env not in EXPOSED:
        return
    if settings.rate_limit == 0:
        yield "RATE_LIMIT_PER_MINUTE", "0: one caller may use up the whole API"
    if not settings.metrics_token:
        yield "METRICS_TOKEN", "it is not set: nobody can read the metrics"
    if settings.webhook_allow_private:
        yield "WEBHOOK_ALLOW_PRIVATE", "webhooks reach every address inside the network"


def _unreadable(settings: Settings) -> Iterator[Problem]:
    """What each setting's own pattern cannot see."""
    for name in URLS:
        if not _readable(getattr(settings, name)):
            yield name.upper(), "its host or port cannot be read"
    if not all(_readable(origin.strip()) for origin in settings.allowed_origins.split(",")):
        yield "ALLOWED_ORIGINS", "an origin is http(s)://host or http(s)://host:port"
    if len(settings.metrics_tokens) > MOST_TOKENS:
        yield "METRICS_TOKEN", "two tokens may hold at once, not more"


def _contradictions(settings: Settings) -> Iterator[Problem]:
    if settings.database_pool_min > settings.database_pool_max:
        low, high = settings.database_pool_min, settings.database_pool_max
        yield "DATABASE_POOL_MIN", f"{low} is more than DATABASE_POOL_MAX, which is {high}"
    if settings.metrics > LARGEST_PORT:
        yield "METRICS_PORT", f"{settings.metrics} (PORT + 1000) is no port; set METRICS_PORT"


def _sign_in(settings: Settings) -> Iterator[Problem]:
    if settings.jwks_url and not (settings.jwt_issuer or settings.cognito_user_pool_id):
        yield "JWT_ISSUER", "JWKS_URL needs it, to know whose tokens these are"
    for pair in settings.jwt_role_map.split(",") if settings.jwt_role_map else ():
        group, equals, role = (part.strip() for part in pair.rpartition("="))
        if not (group and equals and role in RANK):
            yield "JWT_ROLE_MAP", f"'{pair.strip()}' is not group=role, with a role of {', '.join(RANK)}"


def _unsafe(settings: Settings) -> Iterator[Problem]:
    env = settings.app_env
    if settings.embedded_issuer:
        yield "JWKS_URL", f"{env} needs an identity provider (JWKS_URL or COGNITO_USER_POOL_ID)"
    elif not (settings.cognito_client_id or settings.jwt_audience):
        name = "COGNITO_CLIENT_ID" if settings.cognito_user_pool_id else "JWT_AUDIENCE"
        yield name, f"{env} needs it, to know which of the issuer's tokens are for us"
    for name in ("jwks_url", "jwt_issuer"):
        if _is_plain(getattr(settings, name) or ""):
            yield name.upper(), f"{env} needs https: whoever stands between could make keys of their own"
    if "*" in settings.allowed_origins:
        yield "ALLOWED_ORIGINS", f"{env} does not allow '*'"
    yield from _guessable(settings)


def _guessable(settings: Settings) -> Iterator[Problem]:
    for name in SECRET_URLS:
        if url := getattr(settings, name):
            yield from ((name.upper(), reason) for reason in _weakness(name, urlsplit(url), settings.app_env))
    for token in settings.metrics_tokens:
        yield from (("METRICS_TOKEN", reason) for reason in _too_weak(token, "a token", settings.app_env))


def _weakness(name: str, parts: SplitResult, env: str) -> Iterator[str]:
    password = unquote(parts.password or "") or parse_qs(parts.query).get("password", [""])[0]
    local = parts.scheme == "unix" or (name.endswith("database_url") and not parts.hostname)  # files say who may
    if password:
        yield from _too_weak(password, "a password", env)
    elif not local:
        yield f"{env} needs a password in it"


def _too_weak(secret: str, what: str, env: str) -> Iterator[str]:
    if secret.lower() in WELL_KNOWN:
        yield f"{env} refuses {what} that everybody knows"
    elif len(secret) < SHORTEST_PASSWORD:
        yield f"{env} refuses {what} of less than {SHORTEST_PASSWORD} characters"


def _readable(url: str | None) -> bool:
    """Whether the hosts and ports of a URL are some; PostgreSQL's may have several, with commas."""
    try:
        parts = urlsplit(url or "")
        hosts = [urlsplit(f"//{host}") for host in parts.netloc.rpartition("@")[2].split(",")]
        named = all(host.hostname for host in hosts) or not parts.scheme.startswith("http")
        return named and all(host.port != 0 for host in hosts)
    except ValueError:
        return False


def _is_plain(url: str) -> bool:
    """Whether a URL leaves this machine unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost")
