"""Settings: each is read, and a bad one is one line that names it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.settings import Settings, SettingsError, load, notices
from models.settings.purposes import PURPOSES
from models.settings.summary import summary

NEEDED = {"DATABASE_URL": "postgresql://studio:k9f3-0b2x@db:5432/episodes", "REDIS_URL": "redis://cache:6379/0"}
ISSUER = {"JWT_ISSUER": "https://id.example/"}  # what others need
PRODUCTION = NEEDED | {
    "REDIS_URL": "redis://:p2x7-q8d1@cache:6379/0",
    "APP_ENV": "production",
    "COGNITO_REGION": "eu-west-1",
    "COGNITO_USER_POOL_ID": "eu-west-1_Abc",
    "COGNITO_CLIENT_ID": "studio",
    "ALLOWED_ORIGINS": "https://studio.example",
}
PROGRAMS = ("api", "pipeline.worker", "pipeline.dispatcher")


def refusal(**environ: str) -> str:
    """Why these settings are refused, beside those that are needed."""
    with pytest.raises(SettingsError) as error:
        load(NEEDED | environ)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("APP_ENV", "test", "test"),
        ("PORT", "8080", 8080),
        ("ALLOWED_ORIGINS", "https://a.example,https://b.example", "https://a.example,https://b.example"),
        ("LOG_LEVEL", "warning", "WARNING"),
        ("DATABASE_URL", "postgres://other/db", "postgres://other/db"),
        ("MIGRATION_DATABASE_URL", "postgres://owner@other/db", "postgres://owner@other/db"),
        ("DATABASE_POOL_MIN", "3", 3),
        ("DATABASE_POOL_MAX", "30", 30),
        ("REDIS_URL", "rediss://other:6380/1", "rediss://other:6380/1"),
        ("BROKER_URL", "redis://queue:6379/", "redis://queue:6379/"),
        ("AWS_REGION", "eu-west-1", "eu-west-1"),
        ("S3_ENDPOINT_URL", "http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("S3_PRIMARY_BUCKET", "studio-media", "studio-media"),
        ("S3_THUMBNAIL_BUCKET", "studio-thumbs", "studio-thumbs"),
        ("COGNITO_REGION", "eu-west-1", "eu-west-1"),
        ("COGNITO_USER_POOL_ID", "eu-west-1_Abc", "eu-west-1_Abc"),
        ("COGNITO_CLIENT_ID", "studio", "studio"),
        ("JWKS_URL", "https://id.example/keys", "https://id.example/keys"),
        ("JWT_ISSUER", "https://id.example/", "https://id.example/"),
        ("JWT_AUDIENCE", "episodes", "episodes"),
        ("RATE_LIMIT_PER_MINUTE", "600", 600),
        ("METRICS_PORT", "9100", 9100),
        ("METRICS_TOKEN", "secret", "secret"),
        ("S3_PUBLIC_ENDPOINT_URL", "https://files.studio.example", "https://files.studio.example"),
        ("JWT_ROLES_CLAIM", "realm_access.roles", "realm_access.roles"),
        ("JWT_ROLE_MAP", "crew=editor,heads=admin", "crew=editor,heads=admin"),
        ("EPISODES_HOME", "/var/lib/episodes", Path("/var/lib/episodes")),
        ("DECODER_CAGE", "off", "off"),
    ],
)
def test_each_variable_is_read(name: str, text: str, value: Any) -> None:
    assert getattr(load(NEEDED | ISSUER | {name: text}), name.lower()) == value


def test_keys_from_elsewhere_need_the_name_of_their_issuer() -> None:
    with pytest.raises(SettingsError, match=r"^JWT_ISSUER: "):
        load(NEEDED | {"JWKS_URL": "https://id.example/keys"})


def test_the_defaults_are_the_promised_ones() -> None:
    found = load(NEEDED)
    assert (found.app_env, found.port, found.metrics, found.rate_limit) == ("development", 3000, 4000, 0)
    assert found.broker == NEEDED["REDIS_URL"]
    assert found.episodes_home == Path(".data")
    assert found.embedded_issuer


@pytest.mark.parametrize(
    ("app_env", "given", "limit"),
    [
        ("development", {}, 0),
        ("test", {}, 0),
        ("staging", {}, 1200),
        ("production", {}, 1200),
        ("production", {"RATE_LIMIT_PER_MINUTE": "0"}, 0),
        ("production", {"RATE_LIMIT_PER_MINUTE": "60"}, 60),
        ("development", {"RATE_LIMIT_PER_MINUTE": "60"}, 60),
    ],
)
def test_requests_are_limited_where_others_can_reach_us_unless_somebody_says_otherwise(
    app_env: str, given: dict[str, str], limit: int
) -> None:
    assert load(PRODUCTION | {"APP_ENV": app_env} | given).rate_limit == limit


def test_the_broker_may_be_another_server() -> None:
    assert load(NEEDED | {"BROKER_URL": "rediss://queue"}).broker == "rediss://queue"


@pytest.mark.parametrize("url", ["amqp://queue:5672/", "amqps://u:s3cr3t@queue"])
def test_rabbitmq_carries_the_messages_where_its_url_is_named(url: str) -> None:
    found = load(NEEDED | {"BROKER_URL": url})
    assert found.on_rabbitmq
    assert found.broker == url
    assert not load(NEEDED).on_rabbitmq


def test_the_workers_metrics_are_a_thousand_ports_above_the_api() -> None:
    assert load(NEEDED | {"PORT": "3100"}).metrics == 4100
    assert load(NEEDED | {"PORT": "3100", "METRICS_PORT": "9100"}).metrics == 9100


def test_an_empty_variable_is_an_unset_one() -> None:
    assert load(NEEDED | {"PORT": "", "JWKS_URL": "", "S3_ENDPOINT_URL": "", "LOG_LEVEL": ""}) == load(NEEDED)


def test_variables_of_others_do_not_matter() -> None:
    assert load(NEEDED | {"PATH": "/bin", "PORTS": "x", "DATABASE": "y"}) == load(NEEDED)


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(SettingsError) as error:
        load({other: value for other, value in NEEDED.items() if other != name})
    assert str(error.value) == f"{name}: this setting is required: {PURPOSES[name]}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("APP_ENV", "prod"),
        ("PORT", "http"),
        ("PORT", "70000"),
        ("PORT", "-1"),
        ("PORT", "80.5"),
        ("LOG_LEVEL", "loud"),
        ("DATABASE_URL", "db:5432/episodes"),
        ("DATABASE_URL", "mysql://db/episodes"),
        ("MIGRATION_DATABASE_URL", "db:5432/episodes"),
        ("DATABASE_URL", "postgresql://db/epi sodes"),
        ("DATABASE_POOL_MIN", "-1"),
        ("DATABASE_POOL_MAX", "0"),
        ("DATABASE_POOL_MAX", "many"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://localhost:6379"),
        ("BROKER_URL", "localhost"),
        ("BROKER_URL", "kafka://queue"),
        ("S3_ENDPOINT_URL", "localhost:9000"),
        ("S3_ENDPOINT_URL", "s3://bucket"),
        ("S3_PRIMARY_BUCKET", "Not_A_Bucket"),
        ("S3_THUMBNAIL_BUCKET", "x"),
        ("JWKS_URL", "id.example/keys"),
        ("JWKS_URL", "file:///etc/passwd"),
        ("RATE_LIMIT_PER_MINUTE", "-5"),
        ("RATE_LIMIT_PER_MINUTE", "unlimited"),
        ("METRICS_PORT", "metrics"),
        ("METRICS_PORT", "65536"),
        ("DATABASE_URL", "postgresql://db:port/episodes"),
        ("DATABASE_URL", "postgresql://db:99999/episodes"),
        ("DATABASE_URL", "postgresql://[bad/d"),
        ("DATABASE_URL", "postgresql://one:5432,two:port/episodes"),
        ("REDIS_URL", "redis://cache:port/0"),
        ("REDIS_URL", "redis://[::1/0"),
        ("BROKER_URL", "redis://queue:70000"),
        ("S3_ENDPOINT_URL", "http://storage:port"),
        ("S3_ENDPOINT_URL", "http://:9000"),
        ("DATABASE_POOL_MIN", "11"),
        ("ALLOWED_ORIGINS", "studio.example"),
        ("ALLOWED_ORIGINS", "https://studio.example/app"),
        ("ALLOWED_ORIGINS", "https://studio.example,"),
        ("ALLOWED_ORIGINS", "https://studio.example:port"),
        ("ALLOWED_ORIGINS", "https://*.example"),
        ("DECODER_CAGE", "none"),
        ("S3_PUBLIC_ENDPOINT_URL", "files.studio.example"),
        ("S3_PUBLIC_ENDPOINT_URL", "https://files:port"),
        ("METRICS_TOKEN", "one,two,three"),
        ("JWT_ROLE_MAP", "crew"),
        ("JWT_ROLE_MAP", "crew=owner"),
        ("JWT_ROLE_MAP", "=editor"),
        ("WEBHOOK_ALLOW_PRIVATE", "maybe"),
    ],
)
def test_a_malformed_setting_is_named_in_one_line(name: str, text: str) -> None:
    said = refusal(**{name: text})
    assert said.startswith(f"{name}: ")
    assert "\n" not in said


def test_a_port_so_high_that_the_metrics_have_none_is_refused() -> None:
    assert refusal(PORT="65000").startswith("METRICS_PORT: ")
    assert load(NEEDED | {"PORT": "65000", "METRICS_PORT": "4000"}).metrics == 4000


def test_production_starts_with_what_it_needs() -> None:
    assert load(PRODUCTION).app_env == "production"
    own = {"COGNITO_USER_POOL_ID": "", "JWKS_URL": "https://id.example/keys", "JWT_ISSUER": "https://id.example/"}
    assert not load(PRODUCTION | own).embedded_issuer


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"COGNITO_USER_POOL_ID": ""}, "JWKS_URL"),
        ({"ALLOWED_ORIGINS": "*"}, "ALLOWED_ORIGINS"),
        ({"ALLOWED_ORIGINS": ""}, "ALLOWED_ORIGINS"),
        ({"ALLOWED_ORIGINS": "https://studio.example, *"}, "ALLOWED_ORIGINS"),
        ({"DATABASE_URL": "postgresql://episodes:episodes@db/episodes"}, "DATABASE_URL"),
        ({"MIGRATION_DATABASE_URL": "postgresql://owner:postgres@db/episodes"}, "MIGRATION_DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://postgres:postgres@db/episodes"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://app:password@db/episodes"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://app:changeme@db/episodes"}, "DATABASE_URL"),
        ({"REDIS_URL": "redis://:password@cache/0"}, "REDIS_URL"),
        ({"BROKER_URL": "redis://guest:guest@queue/"}, "BROKER_URL"),
        ({"DATABASE_URL": "postgresql://app:%70assword@db/episodes"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://app@db/episodes"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://db/episodes?user=app&password=postgres"}, "DATABASE_URL"),
        ({"REDIS_URL": "redis://cache:6379/0"}, "REDIS_URL"),
        ({"BROKER_URL": "redis://queue"}, "BROKER_URL"),
        ({"DECODER_CAGE": "auto"}, "DECODER_CAGE"),
        ({"DATABASE_URL": "postgresql://app:k9f3-0b@db/episodes"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://app:PassWord@db/episodes"}, "DATABASE_URL"),
        ({"METRICS_TOKEN": "short"}, "METRICS_TOKEN"),
        ({"METRICS_TOKEN": "long-enough-0815, short"}, "METRICS_TOKEN"),
        ({"JWKS_URL": "http://id.example/keys"}, "JWKS_URL"),
        ({"JWT_ISSUER": "http://id.example/"}, "JWT_ISSUER"),
    ],
)
def test_where_others_reach_us_what_is_only_fit_for_development_is_refused(environ: dict[str, str], name: str) -> None:
    assert refusal(**PRODUCTION | environ).startswith(f"{name}: ")
    if name != "DECODER_CAGE":
        assert refusal(**PRODUCTION | environ | {"APP_ENV": "staging"}).startswith(f"{name}: ")
    assert isinstance(load(PRODUCTION | ISSUER | environ | {"APP_ENV": "test"}), Settings)


def test_decoders_are_caged_as_well_as_the_kernel_can_and_in_production_not_less() -> None:
    assert (load(NEEDED).cage, load(PRODUCTION).cage) == ("auto", "required")
    assert load(PRODUCTION | {"DECODER_CAGE": "required"}).cage == "required"


@pytest.mark.parametrize("app_env", ["test", "staging", "production"])
def test_only_development_decodes_outside_a_cage(app_env: str) -> None:
    assert load(NEEDED | {"DECODER_CAGE": "off"}).cage == "off"
    assert refusal(**PRODUCTION | {"APP_ENV": app_env, "DECODER_CAGE": "off"}).startswith("DECODER_CAGE: ")


@pytest.mark.parametrize("app_env", ["staging", "production"])
def test_an_issuers_tokens_for_other_applications_are_not_taken_by_oversight(app_env: str) -> None:
    nobody = PRODUCTION | {"APP_ENV": app_env, "COGNITO_CLIENT_ID": ""}
    assert refusal(**nobody).startswith("COGNITO_CLIENT_ID: ")
    other = {"COGNITO_USER_POOL_ID": "", "JWKS_URL": "https://id.example/keys", "JWT_ISSUER": "https://id.example/"}
    assert refusal(**nobody | other).startswith("JWT_AUDIENCE: ")
    assert load(nobody | {"JWT_AUDIENCE": "studio"})


@pytest.mark.parametrize(
    "environ",
    [
        {"DATABASE_URL": "postgresql:///episodes?host=/run/postgresql"},
        {"DATABASE_URL": "postgresql://app:k9f3-0b2x@one:5432,two:5432/episodes"},
        {"DATABASE_URL": "postgresql://db/episodes?user=app&password=k9f3-0b2x"},
        {"REDIS_URL": "unix:///run/redis.sock"},
    ],
)
def test_production_takes_sockets_and_several_hosts(environ: dict[str, str]) -> None:
    assert load(PRODUCTION | environ)


def test_a_refusal_tells_no_secret() -> None:
    for environ in (
        {"DATABASE_URL": "mysql://app:s3cr3t@db/x"},
        {"REDIS_URL": "http://:s3cr3t@cache"},
        {"BROKER_URL": "kafka://u:s3cr3t@q"},
        {"DATABASE_URL": "postgresql://app:s3cr3t@db:port/x"},
    ):
        assert "s3cr3t" not in refusal(**environ)


@pytest.mark.programs
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_with_a_bad_setting_stops_with_one_line(program: str) -> None:
    environ = {"PATH": os.environ["PATH"], "EPISODES_DOTENV": "", **NEEDED, "PORT": "http"}
    command = [sys.executable, "-m", program]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("PORT: ")


@pytest.mark.programs
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("app_env", ["development", "test"])
def test_a_program_reads_the_developers_file_in_development(program: str, app_env: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=http\n")
    needed = NEEDED | {"DATABASE_URL": "", "METRICS_PORT": "0", "APP_ENV": app_env}  # so that none starts
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), **needed}
    command = [sys.executable, "-m", program]
    ended = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr.partition(":")[0] == ("PORT" if app_env == "development" else "DATABASE_URL")


def test_all_that_is_wrong_is_told_at_once_each_with_what_it_is_for() -> None:
    with pytest.raises(SettingsError) as error:
        load({"PORT": "http", "APP_ENV": "production", "S3_PRIMARY_BUCKET": "Not_A_Bucket", "METRICS_TOKEN": "a"})
    lines = dict(line.split(": ", 1) for line in str(error.value).splitlines())
    assert set(lines) == {
        *("PORT", "S3_PRIMARY_BUCKET", "DATABASE_URL", "REDIS_URL"),
        *("JWKS_URL", "ALLOWED_ORIGINS", "METRICS_TOKEN"),
    }
    assert all(lines[name].endswith(PURPOSES[name]) for name in ("PORT", "S3_PRIMARY_BUCKET", "DATABASE_URL"))


def test_each_setting_has_a_purpose_and_the_page_of_the_configuration_has_the_same() -> None:
    assert list(PURPOSES) == [name.upper() for name in Settings.__struct_fields__]
    page = (
        (Path(__file__).parents[2] / "ops" / "docs" / "configuration.md").read_text().replace("`", "").replace("*", "")
    )
    for name, purpose in PURPOSES.items():
        assert re.search(rf"^\| {name} \|.*\| {re.escape(purpose)} \|$", page, re.MULTILINE), name


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "BROKER_URL", "MIGRATION_DATABASE_URL", "METRICS_TOKEN"])
def test_a_secret_may_stand_in_a_file(name: str, tmp_path: Path) -> None:
    secret = {"METRICS_TOKEN": "t0ken"}.get(
        name, NEEDED.get(name, NEEDED["DATABASE_URL" if "DATA" in name else "REDIS_URL"])
    )
    (tmp_path / "secret").write_text(f"{secret}\n")
    given = {other: value for other, value in NEEDED.items() if other != name}
    assert getattr(load(given | {f"{name}_FILE": str(tmp_path / "secret")}), name.lower()) == secret


def test_a_secret_that_cannot_be_read_or_is_given_twice_is_named_without_its_text(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for file in ("missing", "empty", "binary", "."):
        said = refusal(DATABASE_URL="", DATABASE_URL_FILE=str(tmp_path / file))
        assert said.startswith(f"DATABASE_URL_FILE: {tmp_path / file}")
        assert "\n" not in said
    (tmp_path / "secret").write_text("redis://:s3cr3t@cache")
    said = refusal(REDIS_URL_FILE=str(tmp_path / "secret"))
    assert said == "REDIS_URL_FILE: REDIS_URL is set as well, to something else; set one of the two"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RATE_LIMIT_PER_MINUTES", "RATE_LIMIT_PER_MINUTE"),
        ("REDIS_URI", "REDIS_URL"),
        ("DATABASE_URLS", "DATABASE_URL"),
        ("METRICS_TOKEN_FILES", "METRICS_TOKEN_FILE"),
        ("S3_BUCKET", None),
        ("JWT_SECRET", None),
    ],
)
def test_a_name_that_looks_like_ours_and_is_not_is_told(name: str, meant: str | None) -> None:
    (said,) = notices(load(NEEDED), NEEDED | {name: "x"})
    assert said == f"{name}: there is no such setting" + (f"; {meant} is meant?" if meant else "")


def test_names_of_others_are_not_told() -> None:
    others = {"PATH", "HOME", "PORTS", "HOSTNAME", "DATABASE", "AWS_DEFAULT_REGION", "AWS_ROLE_ARN", "PYTHONPATH"}
    assert not list(notices(load(NEEDED), NEEDED | dict.fromkeys(others, "x")))


@pytest.mark.parametrize("app_env", ["staging", "production"])
def test_limits_that_are_off_where_others_reach_us_are_told(app_env: str) -> None:
    off = {"APP_ENV": app_env, "RATE_LIMIT_PER_MINUTE": "0", "WEBHOOK_ALLOW_PRIVATE": "true"}
    told = {line.partition(":")[0] for line in notices(load(PRODUCTION | off), {})}
    assert told == {"RATE_LIMIT_PER_MINUTE", "METRICS_TOKEN", "WEBHOOK_ALLOW_PRIVATE"}
    assert not list(notices(load(PRODUCTION | {"METRICS_TOKEN": "a-long-token, another-one"}), {}))
    assert not list(notices(load(NEEDED | {"RATE_LIMIT_PER_MINUTE": "0"}), {}))


def test_the_summary_of_the_start_holds_no_secret() -> None:
    found = load(PRODUCTION | {"METRICS_TOKEN": "s3cr3t-token", "BROKER_URL": "amqp://queue?password=s3cr3t-word"})
    said = " ".join(map(str, summary(found).values()))
    assert "db:5432/episodes" in said
    assert not [secret for secret in ("k9f3", "p2x7", "s3cr3t") if secret in said]


@pytest.mark.parametrize(
    ("token", "authorization", "allowed"),
    [
        ("one", "Bearer one", True),
        ("one, two", "Bearer one", True),
        ("one, two", "Bearer two", True),
        ("one, two", "Bearer one, two", False),
        ("one", "Bearer ", False),
        ("one", "", False),
        ("one", "Bearer öne", False),
        (" , ", "", True),
        ("", "", True),
    ],
)
def test_two_tokens_of_metrics_hold_at_once(token: str, authorization: str, allowed: bool) -> None:
    assert load(NEEDED | {"METRICS_TOKEN": token}).may_read_metrics(authorization) is allowed
