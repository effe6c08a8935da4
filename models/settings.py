"""Settings, read once from the environment; a bad one is one line that names it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec

AppEnv = Literal["development", "test", "staging", "production"]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=0)]
WebUrl = Annotated[str, msgspec.Meta(pattern=r"^https?://\S+$")]
DatabaseUrl = Annotated[str, msgspec.Meta(pattern=r"^postgres(ql)?://\S+$")]
RedisUrl = Annotated[str, msgspec.Meta(pattern=r"^(rediss?|unix)://\S+$")]
BrokerUrl = Annotated[str, msgspec.Meta(pattern=r"^(rediss?|unix|amqps?)://\S+$")]
Bucket = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]


LARGEST_PORT: Final = 65535
DEFAULT_PASSWORDS: Final = frozenset({"episodes", "postgres", "redis", "guest", "admin", "password", "changeme"})


class SettingsError(ValueError):
    """A setting is missing or malformed; the message names it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The environment of one process. Field names are the variables' names in lower case."""

    app_env: AppEnv = "development"
    episodes_home: Path = Path(".data")
    host: NonEmpty = "127.0.0.1"
    port: Port = 3000
    metrics_port: Port | None = None
    metrics_token: str = ""
    allowed_origins: str = "*"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    database_url: DatabaseUrl
    database_pool_min: Count = 2
    database_pool_max: Annotated[int, msgspec.Meta(ge=1)] = 10
    redis_url: RedisUrl
    broker_url: BrokerUrl | None = None
    aws_region: NonEmpty = "us-east-1"
    s3_endpoint_url: WebUrl | None = None
    s3_primary_bucket: Bucket = "episodes-media"
    s3_thumbnail_bucket: Bucket = "episodes-thumbnails"
    cognito_region: str | None = None
    cognito_user_pool_id: str | None = None
    cognito_client_id: str | None = None
    jwks_url: WebUrl | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    rate_limit_per_minute: Count = 0
    trusted_proxies: Count = 0
    worker_threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    decoders: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    worker_id: str | None = None
    lease_seconds: Annotated[float, msgspec.Meta(gt=0, le=300)] = 30.0

    @property
    def embedded_issuer(self) -> bool:
        """Whether tokens are signed by the key in the home instead of an identity provider."""
        return self.jwks_url is None and self.cognito_user_pool_id is None

    @property
    def broker(self) -> str:
        """Where messages travel: ``BROKER_URL``, else ``REDIS_URL``."""
        return self.broker_url or self.redis_url

    @property
    def metrics(self) -> int:
        """Port of the workers' metrics: ``METRICS_PORT``, else ``PORT`` + 1000; 0 is off."""
        return self.port + 1000 if self.metrics_port is None else self.metrics_port


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings.

    Raises:
        SettingsError: naming the variable that is missing, malformed or refused.
    """
    names = get_type_hints(Settings)
    present = {name: environ[name.upper()] for name in names if environ.get(name.upper())}
    if "log_level" in present:
        present["log_level"] = present["log_level"].upper()
    settings = _convert(present)
    if settings.metrics > LARGEST_PORT:
        raise SettingsError(f"METRICS_PORT: {settings.metrics} (PORT + 1000) is no port; set METRICS_PORT")
    _refuse_unsafe(settings)
    return settings


def _convert(present: Mapping[str, str]) -> Settings:
    try:
        return msgspec.convert(present, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise SettingsError(_sentence(str(error))) from None


def _sentence(message: str) -> str:
    what, _, where = message.partition(" - at `$.")
    if where:
        return f"{where.rstrip('`').upper()}: {what}"
    return f"{message.split('`')[1].upper()}: this setting is required"


def _refuse_unsafe(settings: Settings) -> None:
    if settings.jwks_url and not (settings.jwt_issuer or settings.cognito_user_pool_id):
        raise SettingsError("JWT_ISSUER: JWKS_URL needs it, to know whose tokens these are")
    if settings.app_env != "production":
        return
    if settings.embedded_issuer:
        raise SettingsError("JWKS_URL: production needs an identity provider (JWKS_URL or COGNITO_USER_POOL_ID)")
    if "*" in settings.allowed_origins:
        raise SettingsError("ALLOWED_ORIGINS: production does not allow '*'")
    for name in ("database_url", "redis_url", "broker_url"):
        if urlsplit(getattr(settings, name) or "").password in DEFAULT_PASSWORDS:
            raise SettingsError(f"{name.upper()}: production refuses a default password")
