"""The command line against a running server, as a user would call it."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import jwt
import pytest

from models.dev_issuer import key, sign
from ops.cli.sign_in import SignIn, find_server
from ops.errors import CommandError
from tests.command_line import episodes
from tests.eventually import eventually
from tests.processes import program
from tests.stack import Stack
from tests.work import ended

pytestmark = pytest.mark.programs


def answer(environ: Mapping[str, str], *args: str) -> Any:
    done = episodes(environ, *args)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def alone(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"PATH": "", "EPISODES_HOME": str(tmp_path), **more}


def test_help_names_every_command(tmp_path: Path) -> None:
    done = episodes(alone(tmp_path), "--help")
    assert done.returncode == 0
    commands = (
        "token",
        "ingest",
        "seed",
        "migrate",
        "reindex",
        "index",
        "jobs",
        "batches",
        "audit",
        "search",
        "housekeeping",
        "status",
    )
    assert [word for word in commands if word not in done.stdout] == []


@pytest.mark.parametrize(
    "args",
    [
        ("jobs", "list"),
        ("batches", "list"),
        ("jobs", "stats"),
        ("jobs", "pauses"),
        ("jobs", "reprocess"),
        ("housekeeping", "list"),
        ("housekeeping", "run", "trash"),
        ("integrity",),
        ("jobs", "resume", "batch"),
        ("audit", "list"),
        ("audit", "verify"),
        ("search", "scarf"),
        ("status",),
        ("reindex",),
        ("index", "check"),
        ("seed",),
        ("migrate",),
    ],
)
def test_without_a_server_there_is_one_clear_line(tmp_path: Path, args: Sequence[str]) -> None:
    key(tmp_path)
    done = episodes(alone(tmp_path), *args)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "No server runs on" in done.stderr


def test_a_server_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    key(tmp_path)
    done = episodes(alone(tmp_path, EPISODES_URL="http://127.0.0.1:9"), "jobs", "list")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "The server at http://127.0.0.1:9 does not answer" in done.stderr


def test_without_a_key_or_token_nobody_signs_in(tmp_path: Path) -> None:
    done = episodes(alone(tmp_path, EPISODES_URL="http://127.0.0.1:9"), "jobs", "list")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "EPISODES_TOKEN is not set" in done.stderr


def test_no_token_is_made_for_a_home_without_a_server(tmp_path: Path) -> None:
    done = episodes(alone(tmp_path), "token", "--role", "admin")
    assert (done.returncode, done.stdout) == (1, "")
    assert not (tmp_path / "issuer").exists()


def test_a_token_carries_its_role_and_subject(tmp_path: Path) -> None:
    key(tmp_path)
    done = episodes(alone(tmp_path), "token", "--role", "viewer", "--subject", "maria")
    claims = jwt.decode(done.stdout.strip(), options={"verify_signature": False})
    assert (claims["cognito:groups"], claims["sub"]) == (["viewer"], "maria")


def test_an_unknown_role_is_a_wrong_call(tmp_path: Path) -> None:
    assert episodes(alone(tmp_path), "token", "--role", "king").returncode != 0


def test_the_running_server_of_the_home_is_found(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text('{"url": "http://127.0.0.1:3210/"}')
    assert find_server(alone(tmp_path)) == "http://127.0.0.1:3210"
    assert find_server(alone(tmp_path, EPISODES_URL="http://other:1")) == "http://other:1"
    with pytest.raises(CommandError, match="not an http"):
        find_server(alone(tmp_path, EPISODES_URL="other:1"))


def test_the_token_of_the_environment_is_for_other_servers(tmp_path: Path) -> None:
    key(tmp_path)
    (tmp_path / "server.json").write_text('{"url": "http://127.0.0.1:3210"}')
    given = sign(tmp_path, role="viewer", subject="given")
    own = SignIn("editor", alone(tmp_path, EPISODES_TOKEN=given))
    other = SignIn("editor", alone(tmp_path, EPISODES_TOKEN=given, EPISODES_URL="https://example.org"))
    assert own.token() != given
    assert other.token() == given


def test_a_long_run_signs_a_new_token_when_one_is_refused(tmp_path: Path) -> None:
    key(tmp_path)
    credentials = SignIn("editor", alone(tmp_path))
    first = credentials.token()
    assert credentials.token() == first
    assert credentials.token(fresh=True) != first


def test_the_server_takes_the_token_that_is_printed(server: Stack) -> None:
    token = episodes(server.environ, "token", "--role", "viewer").stdout.strip()
    elsewhere = {**server.environ, "EPISODES_HOME": "nowhere", "EPISODES_TOKEN": token}
    assert isinstance(answer(elsewhere, "jobs", "list", "--json"), list)


def test_a_refused_token_is_one_clear_line(server: Stack) -> None:
    elsewhere = {**server.environ, "EPISODES_HOME": "nowhere", "EPISODES_TOKEN": "nonsense"}
    done = episodes(elsewhere, "jobs", "list")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "UNAUTHORIZED" in done.stderr


def test_a_list_that_is_piped_has_no_control_codes(server: Stack) -> None:
    done = episodes(server.environ, "jobs", "list", "--limit", "3")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr


def test_a_job_is_listed_shown_and_cannot_be_cancelled_after_its_end(server: Stack, tmp_path: Path) -> None:
    (tmp_path / "fake.jpg").write_bytes(b"not a picture " + uuid4().bytes)
    done = episodes(server.environ, "ingest", str(tmp_path / "fake.jpg"), "--create", "--json")
    (result,) = json.loads(done.stdout)
    listed = answer(server.environ, "jobs", "list", "--entity-id", result["entity_id"], "--status", "failed", "--json")
    assert [job["job_id"] for job in listed] == [result["job_id"]]
    assert (
        answer(server.environ, "jobs", "show", result["job_id"], "--json")["error"]["code"] == result["error"]["code"]
    )
    shown = episodes(server.environ, "jobs", "show", result["job_id"]).stdout
    assert shown.count(f"{result['error']['code']}: ") == 2  # of the job and of its attempt
    refused = episodes(server.environ, "jobs", "cancel", result["job_id"])
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)


def test_a_run_is_one_batch_that_is_shown_watched_and_started_again(server: Stack, tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"not a picture " + uuid4().bytes)
    done = episodes(server.environ, "ingest", str(tmp_path), "--create", "--name", f"day {tmp_path.name}")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"batch day {tmp_path.name} (")
    assert "1 entity shows nothing" in done.stdout
    (batch,) = answer(server.environ, "batches", "list", "--name", tmp_path.name, "--json")
    assert (batch["total"], batch["failed"]) == (1, 1)
    name = batch["batch_id"]
    assert f"episodes batches retry {name}" in episodes(server.environ, "batches", "show", name).stdout
    assert "torn.jpg" in episodes(server.environ, "jobs", "list", "--batch-id", name).stdout
    assert answer(server.environ, "batches", "retry", name, "--json")["finished_at"] is None
    watched = episodes(server.environ, "batches", "watch", name, "--json")
    assert (watched.returncode, json.loads(watched.stdout)["failed"]) == (1, 1)
    refused = episodes(server.environ, "batches", "cancel", name)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)


def test_a_failed_job_is_run_again(server: Stack, tmp_path: Path) -> None:
    (tmp_path / "fake.png").write_bytes(b"not a picture " + uuid4().bytes)
    (result,) = json.loads(episodes(server.environ, "ingest", str(tmp_path / "fake.png"), "--create", "--json").stdout)
    assert answer(server.environ, "jobs", "retry", result["job_id"], "--json")["status"] in ("queued", "running")


def test_jobs_are_counted_cancelled_and_run_again_by_a_filter(server: Stack, tmp_path: Path) -> None:
    (tmp_path / "fake.gif").write_bytes(b"not a picture " + uuid4().bytes)
    (result,) = json.loads(episodes(server.environ, "ingest", str(tmp_path / "fake.gif"), "--create", "--json").stdout)
    these = ("--entity-id", result["entity_id"])
    code = result["error"]["code"]
    assert answer(server.environ, "jobs", "stats", *these, "--json")["failed_by_code"] == [
        {"error_code": code, "jobs": 1}
    ]
    assert code in episodes(server.environ, "jobs", "stats", *these).stdout
    assert answer(server.environ, "jobs", "cancel", *these, "--json") == {"cancelled": 0, "skipped": 0}
    assert episodes(server.environ, "jobs", "retry", *these).stdout == "1 retried, 0 skipped\n"
    with server.client("viewer") as client:
        ended(client, result)
    assert len(answer(server.environ, "jobs", "show", result["job_id"], "--json")["attempts_made"]) == 2


def test_what_is_done_to_jobs_says_which(server: Stack) -> None:
    for args in (("retry",), ("cancel",), ("retry", str(uuid4()), "--stage", "index")):
        refused = episodes(server.environ, "jobs", *args)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    nonsense = episodes(server.environ, "jobs", "retry", "--status", "succeeded")
    assert (nonsense.returncode, nonsense.stderr.count("\n")) == (1, 1)
    assert "filter.status" in nonsense.stderr


def test_a_priority_is_paused_listed_and_resumed(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    stack.api.start()
    done = episodes(stack.environ, "jobs", "pause", "backfill", "--reason", "the storage moves")
    assert (done.returncode, done.stdout.startswith("backfill is paused until ")) == (0, True)
    paused = answer(
        stack.environ, "jobs", "pause", "index", "--reason", "x", "--until", "2999-01-01T00:00:00Z", "--json"
    )
    assert (paused["stage"], paused["until"]) == ("index", "2999-01-01T00:00:00Z")
    assert [row["stage"] for row in answer(stack.environ, "jobs", "pauses", "--json")] == ["index", None]
    assert "the storage moves" in episodes(stack.environ, "jobs", "pauses").stdout
    assert answer(stack.environ, "jobs", "resume", "index", "--json") == {"resumed": "index"}
    assert episodes(stack.environ, "jobs", "resume", "index").returncode == 1
    assert episodes(stack.environ, "jobs", "pause", "express", "--reason", "x").returncode != 0


def test_an_unknown_job_is_one_clear_line(server: Stack) -> None:
    done = episodes(server.environ, "jobs", "show", str(uuid4()))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "NOT_FOUND" in done.stderr


def test_what_is_searched_for_is_printed(server: Stack) -> None:
    assert answer(server.environ, "search", "nothingiscalledlikethis", "--json") == []
    assert "0 of 0 found" in episodes(server.environ, "search", "nothingiscalledlikethis").stdout


def test_a_migrated_database_can_be_migrated_again(server: Stack) -> None:
    assert episodes(server.environ, "migrate").returncode == 0


def test_a_reindex_is_waited_for(server: Stack) -> None:
    done = episodes(server.environ, "reindex")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ documents in [\d.]+ s: \d+ missing, \d+ stale, \d+ orphaned.*\n", done.stdout)
    walk = answer(server.environ, "reindex", "--json")
    assert walk["finished_at"] is not None
    assert walk["done"] >= 0


def test_a_reindex_is_only_begun_where_nobody_wants_to_wait(server: Stack) -> None:
    assert answer(server.environ, "reindex", "--detach", "--json")["purpose"] == "reindex"


def test_an_interrupted_reindex_goes_on_and_the_same_command_joins_in(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    stack.api.start()
    begun = "select started_at from search_reindex_jobs where purpose = 'reindex'"
    command = [sys.executable, "-c", "from ops.cli.app import main; main()", "reindex"]
    with program(command, stack.environ, stderr=subprocess.PIPE) as waiting:
        (first,) = eventually(lambda: stack.sql(begun), within=20)
        waiting.send_signal(signal.SIGINT)
        told = waiting.communicate(timeout=20)[1]
    assert waiting.returncode == 130
    assert told == "episodes: interrupted; the server goes on, and the same command joins in again\n"
    asked = stack.log("api").count("/search/reindex")
    with program([*command, "--json"], stack.environ, stdout=subprocess.PIPE) as joining:
        eventually(lambda: stack.log("api").count("/search/reindex") > asked)
        stack.dispatcher.spawn()  # not before: nothing is left to join in where it has ended
        assert json.loads(joining.communicate(timeout=60)[0])["finished_at"]
    assert stack.sql(begun) == [first]


def test_a_check_fails_where_documents_are_wrong_and_left_so(server: Stack) -> None:
    assert answer(server.environ, "index", "check", "--repair", "--json")["finished_at"]
    show = server.sql(
        "insert into shows (name, created_by, updated_by) values (%s, 'x', 'x') returning name", uuid4().hex
    )
    done = episodes(server.environ, "index", "check", "--json")
    assert (done.returncode, json.loads(done.stdout)["missing"]) == (1, 1)
    done = episodes(server.environ, "index", "check", "--repair")
    assert done.returncode == 0
    assert "1 missing, 0 stale, 0 orphaned; put right" in done.stdout
    assert episodes(server.environ, "index", "check").returncode == 0
    assert answer(server.environ, "search", show[0][0], "--json")[0]["title"] == show[0][0]


def test_changes_are_listed_and_filtered(server: Stack) -> None:
    with server.client("editor", f"ana-{uuid4()}") as ana:
        show = ana.post("/api/v1/shows", json={"name": f"Audited {uuid4()}"}).json()["data"]
        ana.delete(f"/api/v1/shows/{show['show_id']}", params={"reason": "never aired"})
    one = ("--entity-id", show["show_id"])
    rows = answer(server.environ, "audit", "list", *one, "--json")
    assert [row["action"] for row in rows] == ["delete", "create"]
    told = episodes(server.environ, "audit", "list", *one, "--action", "delete").stdout
    assert "deleted_reason: never aired" in told
    assert told.endswith("1 of 1 changes\n")
    by = ("--actor", show["created_by"], "--entity-type", "show", "--since", show["created_at"], "--limit", "1")
    assert [row["action"] for row in answer(server.environ, "audit", "list", *by, "--json")] == ["delete"]
    assert answer(server.environ, "audit", "list", *one, "--until", "2020-01-01T00:00:00Z", "--json") == []
    assert "from" in episodes(server.environ, "audit", "list", "--since", "yesterday").stderr


def test_a_record_that_holds_is_told_with_how_much_of_it_was_checked(server: Stack) -> None:
    with server.client("admin") as client:
        client.post("/api/v1/shows", json={"name": f"Sealed {uuid4()}"})
        eventually(lambda: _sealed(client), within=30)
    verdict = answer(server.environ, "audit", "verify", "--json")
    assert verdict["rows"] >= verdict["seals"] > 0
    done = episodes(server.environ, "audit", "verify", "--seal", verdict["last_seal"])
    assert done.returncode == 0
    assert re.match(
        r"\d+ changes in \d+ seals hold; \d+ are not sealed yet\.\nLast seal: \d+:[0-9a-f]{64}\n", done.stdout
    )


def _sealed(client: httpx2.Client) -> bool:
    verdict = client.get("/api/v1/audit/verify").json()["data"]
    return bool(verdict["last_seal"] and not verdict["unsealed"])


def test_a_tampered_record_is_told_with_its_first_row(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack()
    stack.api.start()
    with stack.client("admin") as client:
        for number in range(3):
            client.post("/api/v1/shows", json={"name": f"Show {number}"})
        stack.dispatcher.spawn()
        eventually(lambda: _sealed(client), within=30)
    verdict = answer(stack.environ, "audit", "verify", "--json")
    stack.sql("alter table audit_log disable trigger all")
    stack.sql("grant all on audit_log to current_user")
    stack.sql("update audit_log set actor = 'nobody' where audit_id > 1")
    done = episodes(stack.environ, "audit", "verify")
    assert done.returncode == 1
    assert re.match(r"Row 2 was changed, in seal 1 of \S+\. 0 changes in 0 seals hold before it\.\n", done.stdout)
    assert json.loads(episodes(stack.environ, "audit", "verify", "--json").stdout)["broken"]["audit_id"] == 2
    stack.sql("alter table audit_seals disable trigger all")
    stack.sql("grant all on audit_seals to current_user")
    stack.sql("truncate audit_log, audit_seals")
    assert episodes(stack.environ, "audit", "verify").stdout == "0 changes in 0 seals hold; 0 are not sealed yet.\n"
    done = episodes(stack.environ, "audit", "verify", "--seal", verdict["last_seal"])
    assert done.returncode == 1
    assert done.stdout.startswith("Somebody removed seal 1.")
