"""Settings, read once from the environment; a bad one is one line that names it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, get_type_hints
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from models import running_home

AppEnv = Literal["development", "test", "staging", "production"]
Cage = Literal["auto", "required", "off"]
Reach = Literal["internet", "machine", "network"]  # of webhooks, each with what is before it
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Span = Annotated[int, msgspec.Meta(ge=0, le=36_500)]
WebUrl = Annotated[str, msgspec.Meta(pattern=r"^https?://\S+$")]
DatabaseUrl = Annotated[str, msgspec.Meta(pattern=r"^postgres(ql)?://\S+$")]
RedisUrl = Annotated[str, msgspec.Meta(pattern=r"^(rediss?|unix)://\S+$")]
BrokerUrl = Annotated[str, msgspec.Meta(pattern=r"^(rediss?|unix|amqps?)://\S+$")]
Origins = Annotated[
    str, msgspec.Meta(pattern=r"^\s*(\*|https?://[^\s/?#@*,]+)\s*(,\s*(\*|https?://[^\s/?#@*,]+)\s*)*$")
]
Bucket = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]


LARGEST_PORT: Final = 65535
RATE_LIMIT: Final = 1200  # no person's work and no script's upload comes near it, and it is a hundredth of what we can
URLS: Final = ("database_url", "migration_database_url", "redis_url", "broker_url", "s3_endpoint_url", "jwks_url")
SECRET_URLS: Final = ("database_url", "migration_database_url", "redis_url", "broker_url")
DOTENV_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$")
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
    allowed_origins: Origins = "*"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    database_url: DatabaseUrl
    migration_database_url: DatabaseUrl | None = None
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
    rate_limit_per_minute: Count | None = None
    idle_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 20
    streams_per_caller: Count = 32
    streams_total: Count = 400
    max_open_jobs_per_caller: Count = 20_000
    trusted_proxies: Count = 0
    worker_threads: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    decoders: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    decoder_cage: Cage | None = None
    worker_id: str | None = None
    lease_seconds: Annotated[float, msgspec.Meta(gt=0, le=300)] = 30.0
    upload_grace_hours: Span = 24
    orphan_grace_hours: Span = 168
    trash_retention_days: Span = 0
    job_retention_days: Span = 30
    integrity_days: Span = 30
    integrity_bytes_per_second: Annotated[int, msgspec.Meta(ge=1)] = 10_000_000
    webhook_allow_private: bool = False

    @property
    def rate_limit(self) -> int:
        """Requests a minute of one caller: ``RATE_LIMIT_PER_MINUTE``, else a limit only where others can reach us."""
        if self.rate_limit_per_minute is not None:
            return self.rate_limit_per_minute
        return RATE_LIMIT if self.app_env in ("staging", "production") else 0

    @property
    def embedded_issuer(self) -> bool:
        """Whether tokens are signed by the key in the home instead of an identity provider."""
        return self.jwks_url is None and self.cognito_user_pool_id is None

    @property
    def cognito_tokens(self) -> bool:
        """Whether tokens say what they are for, as those of Cognito and of the embedded issuer do."""
        return self.embedded_issuer or self.cognito_user_pool_id is not None

    @property
    def broker(self) -> str:
        """Where messages travel: ``BROKER_URL``, else ``REDIS_URL``."""
        return self.broker_url or self.redis_url

    @property
    def on_rabbitmq(self) -> bool:
        """Whether RabbitMQ carries the messages."""
        return self.broker.startswith("amqp")

    @property
    def cage(self) -> Cage:
        """How decoders are caged: ``DECODER_CAGE``, else as well as the kernel can, and in production not less."""
        return self.decoder_cage or ("required" if self.app_env == "production" else "auto")

    @property
    def webhook_reach(self) -> Reach:
        """Where webhooks may lead: into the network by ``WEBHOOK_ALLOW_PRIVATE``, to this machine in development."""
        if self.webhook_allow_private:
            return "network"
        return "machine" if self.app_env in ("development", "test") else "internet"

    @property
    def metrics(self) -> int:
        """Port of the workers' metrics: ``METRICS_PORT``, else ``PORT`` + 1000; 0 is off."""
        return self.port + 1000 if self.metrics_port is None else self.metrics_port


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings: those given, else this process's own.

    In development a ``.env`` file completes the process's environment, where libraries look for credentials as well;
    where no service is named, those of the data directory whose server runs.

    Raises:
        SettingsError: naming the variable that is missing, malformed or refused.
    """
    if environ is None:
        os.environ.update(_joined(with_dotenv(os.environ)))
        environ = os.environ
    names = get_type_hints(Settings)
    present = {name: environ[name.upper()] for name in names if environ.get(name.upper())}
    if "log_level" in present:
        present["log_level"] = present["log_level"].upper()
    settings = _convert(present)
    _refuse_malformed(settings)
    _refuse_unsafe(settings)
    return settings


def _joined(environ: Mapping[str, str]) -> dict[str, str]:
    try:
        return running_home.with_services(environ)
    except PermissionError as error:
        how = "start as the user who runs it, or set DATABASE_URL, REDIS_URL and S3_ENDPOINT_URL"
        raise SettingsError(f"EPISODES_HOME: {error.filename} is not for this user to read; {how}") from None


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


def _refuse_malformed(settings: Settings) -> None:
    """What each setting's own pattern cannot see."""
    for name in URLS:
        if not _readable(getattr(settings, name)):
            raise SettingsError(f"{name.upper()}: its host or port cannot be read")
    if not all(_readable(origin.strip()) for origin in settings.allowed_origins.split(",")):
        raise SettingsError("ALLOWED_ORIGINS: an origin is http(s)://host or http(s)://host:port")
    if settings.database_pool_min > settings.database_pool_max:
        low, high = settings.database_pool_min, settings.database_pool_max
        raise SettingsError(f"DATABASE_POOL_MIN: {low} is more than DATABASE_POOL_MAX, which is {high}")
    if settings.metrics > LARGEST_PORT:
        raise SettingsError(f"METRICS_PORT: {settings.metrics} (PORT + 1000) is no port; set METRICS_PORT")


def _readable(url: str | None) -> bool:
    """Whether the hosts and ports of a URL are some; PostgreSQL's may have several, with commas."""
    try:
        parts = urlsplit(url or "")
        hosts = [urlsplit(f"//{host}") for host in parts.netloc.rpartition("@")[2].split(",")]
        named = all(host.hostname for host in hosts) or not parts.scheme.startswith("http")
        return named and all(host.port != 0 for host in hosts)
    except ValueError:
        return False


def _refuse_unsafe(settings: Settings) -> None:
    if settings.jwks_url and not (settings.jwt_issuer or settings.cognito_user_pool_id):
        raise SettingsError("JWT_ISSUER: JWKS_URL needs it, to know whose tokens these are")
    if settings.decoder_cage == "off" and settings.app_env != "development":
        raise SettingsError(f"DECODER_CAGE: off is for development, not for {settings.app_env}")
    if settings.app_env not in ("development", "test"):
        _refuse_tokens_of_others(settings)
    if settings.app_env == "production":
        _refuse_in_production(settings)


def _refuse_tokens_of_others(settings: Settings) -> None:
    """An issuer's tokens for other applications are as well signed as those for this one."""
    if not (settings.embedded_issuer or settings.cognito_client_id or settings.jwt_audience):
        name = "COGNITO_CLIENT_ID" if settings.cognito_user_pool_id else "JWT_AUDIENCE"
        raise SettingsError(f"{name}: {settings.app_env} needs it, to know which of the issuer's tokens are for us")


def _refuse_in_production(settings: Settings) -> None:
    if settings.embedded_issuer:
        raise SettingsError("JWKS_URL: production needs an identity provider (JWKS_URL or COGNITO_USER_POOL_ID)")
    if settings.cage != "required":
        raise SettingsError(f"DECODER_CAGE: production needs required, not {settings.cage}")
    if "*" in settings.allowed_origins:
        raise SettingsError("ALLOWED_ORIGINS: production does not allow '*'")
    for name in SECRET_URLS:
        if url := getattr(settings, name):
            _refuse_guessable(name.upper(), url)


def _refuse_guessable(name: str, url: str) -> None:
    parts = urlsplit(url)
    password = unquote(parts.password or "") or parse_qs(parts.query).get("password", [""])[0]
    if password in DEFAULT_PASSWORDS:
        raise SettingsError(f"{name}: production refuses a default password")
    local = parts.scheme == "unix" or (name.endswith("DATABASE_URL") and not parts.hostname)  # files say who may
    if not (password or local):
        raise SettingsError(f"{name}: production needs a password in it")


def with_dotenv(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, completed by what a developer's ``.env`` says beyond it; production reads no file.

    ``EPISODES_DOTENV`` names another file, or none where it is empty: no test depends on what a developer set.
    """
    file = Path(environ.get("EPISODES_DOTENV", ".env"))
    if environ.get("APP_ENV", "development") != "development" or not file.is_file():
        return dict(environ)
    found = (DOTENV_LINE.match(line) for line in file.read_text().splitlines())
    return {one[1]: _unquoted(one[2]) for one in found if one} | dict(environ)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value.partition(" #")[0].rstrip()
