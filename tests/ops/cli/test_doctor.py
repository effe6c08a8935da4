"""``episodes doctor``: what a system has, and what is wrong with one, each with a way to mend it."""

import json
from typing import Any

import psycopg
import pytest

from tests.command_line import episodes
from tests.key_server import key_server
from tests.stack import Stack

AREAS = ["settings", "database", "broker", "storage", "issuer", "machine"]


def examined(stack: Stack, **settings: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and the findings with other settings than the stack's."""
    done = episodes({**stack.environ, "MIGRATION_DATABASE_URL": "", **settings}, "doctor", "--json")
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def wrong(findings: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is wrong, by area."""
    return {one["area"]: one for one in findings if one["verdict"] == "wrong"}


def test_a_system_that_works_is_found_good_and_nothing_of_the_examination_stays(server: Stack) -> None:
    code, findings = examined(server)
    assert (code, wrong(findings)) == (0, {})
    assert list(dict.fromkeys(one["area"] for one in findings)) == AREAS
    said = " ".join(one["what"] for one in findings)
    for words in ("PostgreSQL 18", "Valkey", "episodes-media can be written", "may upload from", "GiB free"):
        assert words in said
    rows = episodes({**server.environ, "MIGRATION_DATABASE_URL": ""}, "doctor")
    assert rows.stdout.count("\n") >= len(findings)


@pytest.mark.parametrize(
    ("settings", "area", "words"),
    [
        ({"PORT": "http"}, "settings", "PORT"),
        ({"REDIS_URL": "redis://127.0.0.1:1"}, "broker", "no connection to 127.0.0.1:1"),
        ({"BROKER_URL": "amqp://guest:guest@127.0.0.1:1/"}, "broker", "no connection to 127.0.0.1:1"),
        ({"S3_ENDPOINT_URL": "http://127.0.0.1:1"}, "storage", "episodes-media"),
        ({"S3_PRIMARY_BUCKET": "not-there"}, "storage", "not-there"),
        ({"AWS_SECRET_ACCESS_KEY": "another"}, "storage", "episodes-media"),
        ({"DATABASE_URL": "postgresql://nobody:wrong@127.0.0.1:1/none"}, "database", "no connection to 127.0.0.1:1"),
        ({"JWKS_URL": "http://127.0.0.1:1/", "JWT_ISSUER": "https://id.example"}, "issuer", "cannot be fetched"),
    ],
)
def test_what_is_wrong_is_named_with_a_way_to_mend_it_and_the_rest_is_examined(
    server: Stack, settings: dict[str, str], area: str, words: str
) -> None:
    code, findings = examined(server, **settings)
    found = wrong(findings)
    assert (code, list(found)) == (1, [area])
    assert words in found[area]["what"]
    assert found[area]["mend"]
    assert "wrong@" not in json.dumps(findings)
    if area != "settings":
        assert {one["area"] for one in findings} == set(AREAS)


def test_a_database_without_a_schema_or_with_another_one_is_to_be_migrated(server: Stack) -> None:
    empty = server.database_url.rpartition("/")[0] + "/postgres"
    assert "no schema" in wrong(examined(server, DATABASE_URL=empty)[1])["database"]["what"]


def test_an_owner_of_the_audit_log_is_warned_of(server: Stack) -> None:
    _, findings = examined(server, DATABASE_URL=server.database_url)
    (warned,) = [one for one in findings if one["area"] == "database" and one["verdict"] == "warning"]
    assert "could change the audit log" in warned["what"]


def test_an_issuer_whose_keys_we_cannot_use_is_wrong(server: Stack) -> None:
    with key_server({"keys": [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}]}) as provider:
        named = {"JWKS_URL": provider.url, "JWT_ISSUER": "https://id.example"}
        assert "none of its keys" in wrong(examined(server, **named)[1])["issuer"]["what"]


def test_a_schema_of_a_newer_version_asks_for_that_version(server: Stack) -> None:
    name = "newer_than_this_code"
    owner = server.database_url
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"create schema if not exists {name}".encode())
        connection.execute(
            f"create table if not exists {name}.alembic_version as select '9999' as version_num".encode()
        )
    found = wrong(examined(server, DATABASE_URL=f"{owner}?options=-csearch_path%3D{name},public")[1])
    assert "start the version" in found["database"]["mend"]
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"drop schema {name} cascade".encode())
