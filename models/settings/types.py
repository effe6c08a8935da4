"""The settings of one process, and what follows from them."""

import hmac
from pathlib import Path
from typing import Annotated, Final, Literal, cast

from msgspec import Meta, Struct

from models.roles import Role

AppEnv = Literal["development", "test", "staging", "production"]
Cage = Literal["auto", "required", "off"]
Reach = Literal["internet", "machine", "network"]  # of webhooks, each with what is before it
Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=0)]
Span = Annotated[int, Meta(ge=0, le=36_500)]
WebUrl = Annotated[str, Meta(pattern=r"^https?://\S+$", description="a URL that begins with https:// or http://")]
DatabaseUrl = Annotated[
    str, Meta(pattern=r"^postgres(ql)?://\S+$", description="a URL that begins with postgresql://, without spaces")
]
RedisUrl = Annotated[
    str, Meta(pattern=r"^(rediss?|unix)://\S+$", description="a URL that begins with redis://, rediss:// or unix://")
]
BrokerUrl = Annotated[
    str,
    Meta(
        pattern=r"^(rediss?|unix|amqps?)://\S+$",
        description="a URL that begins with redis://, rediss://, unix://, amqp:// or amqps://",
    ),
]
Origins = Annotated[
    str,
    Meta(
        pattern=r"^\s*(\*|https?://[^\s/?#@*,]+)\s*(,\s*(\*|https?://[^\s/?#@*,]+)\s*)*$",
        description="origins such as https://studio.example, separated by commas",
    ),
]
Bucket = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="a bucket's name: 3 to 63 small letters, digits, dots and hyphens",
    ),
]
NonEmpty = Annotated[str, Meta(min_length=1)]

EXPOSED: Final = ("staging", "production")  # where others can reach us
RATE_LIMIT: Final = 1200  # no person's work and no script's upload comes near it, and it is a hundredth of what we can


class SettingsError(ValueError):
    """Settings are missing, malformed or refused; the message is a line for each, which begins with its name."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))


class Settings(Struct, frozen=True, kw_only=True):
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
    database_pool_max: Annotated[int, Meta(ge=1)] = 10
    redis_url: RedisUrl
    broker_url: BrokerUrl | None = None
    aws_region: NonEmpty = "us-east-1"
    s3_endpoint_url: WebUrl | None = None
    s3_public_endpoint_url: WebUrl | None = None
    s3_primary_bucket: Bucket = "episodes-media"
    s3_thumbnail_bucket: Bucket = "episodes-thumbnails"
    cognito_region: str | None = None
    cognito_user_pool_id: str | None = None
    cognito_client_id: str | None = None
    jwks_url: WebUrl | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_roles_claim: NonEmpty = "cognito:groups"
    jwt_role_map: str = ""
    rate_limit_per_minute: Count | None = None
    idle_seconds: Annotated[int, Meta(ge=1, le=3600)] = 20
    streams_per_caller: Count = 32
    streams_total: Count = 400
    max_open_jobs_per_caller: Count = 20_000
    trusted_proxies: Count = 0
    worker_threads: Annotated[int, Meta(ge=1, le=256)] | None = None
    decoders: Annotated[int, Meta(ge=1, le=64)] | None = None
    decoder_cage: Cage | None = None
    worker_id: str | None = None
    lease_seconds: Annotated[float, Meta(gt=0, le=300)] = 30.0
    upload_grace_hours: Span = 24
    orphan_grace_hours: Span = 168
    trash_retention_days: Span = 0
    job_retention_days: Span = 30
    integrity_days: Span = 30
    integrity_bytes_per_second: Annotated[int, Meta(ge=1)] = 10_000_000
    webhook_allow_private: bool = False

    @property
    def rate_limit(self) -> int:
        """Requests a minute of one caller: ``RATE_LIMIT_PER_MINUTE``, else a limit only where others can reach us."""
        if self.rate_limit_per_minute is not None:
            return self.rate_limit_per_minute
        return RATE_LIMIT if self.app_env in EXPOSED else 0

    @property
    def embedded_issuer(self) -> bool:
        """Whether tokens are signed by the key in the home instead of an identity provider."""
        return self.jwks_url is None and self.cognito_user_pool_id is None

    @property
    def cognito_tokens(self) -> bool:
        """Whether tokens say what they are for, as those of Cognito and of the embedded issuer do."""
        return self.embedded_issuer or self.cognito_user_pool_id is not None

    @property
    def roles(self) -> dict[str, Role]:
        """The role of each group of the issuer, where they have other names: ``JWT_ROLE_MAP``."""
        pairs = (pair.rpartition("=") for pair in self.jwt_role_map.split(",") if pair.strip())
        return {group.strip(): cast("Role", role.strip()) for group, _, role in pairs}

    @property
    def metrics_tokens(self) -> tuple[str, ...]:
        """The tokens of ``METRICS_TOKEN``: two while one takes the other's place."""
        return tuple(token for token in map(str.strip, self.metrics_token.split(",")) if token)

    def may_read_metrics(self, authorization: str) -> bool:
        """Whether this Authorization header may: one of the tokens, or any in development where there is none."""
        if not self.metrics_tokens:
            return self.app_env == "development"
        given = authorization.encode()
        return any(hmac.compare_digest(given, f"Bearer {token}".encode()) for token in self.metrics_tokens)

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
