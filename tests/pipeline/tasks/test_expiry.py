"""What has had its time goes: kept responses and jobs that ended."""

import httpx2

from tests.pipeline.tasks.house import CAUTIOUS, LONG_AGO, another_worker, run
from tests.stack import Stack


def test_answers_older_than_their_promise_are_removed(stack: Stack, chief: httpx2.Client) -> None:
    stack.sql(
        "insert into idempotency_keys (caller, key, request_hash, created_at)"
        " select 'x', number::text, '', now() - make_interval(hours => number) from generate_series(1, 2000) as number"
    )
    assert run(chief, "idempotency-keys") == {"expired": 1976}
    assert stack.sql("select max(key::integer) from idempotency_keys where caller = 'x'") == [(24,)]


def test_jobs_that_ended_long_ago_are_forgotten_but_not_those_that_failed(stack: Stack, chief: httpx2.Client) -> None:
    made = (
        "insert into ingest_jobs (entity_type, entity_id, role, source_reference, on_duplicate, priority, request_id,"
    )
    made += " created_by, status, finished_at) values ('clip', uuidv7(), 'primary', %s, 'link', 'batch', 'x', 'x', %s, "
    for status in ("succeeded", "cancelled", "failed"):
        stack.sql(f"{made} {LONG_AGO})", f"old {status}", status)
        stack.sql(f"{made} now())", f"new {status}", status)
    stack.sql(f"{made} null)", "waiting", "queued")
    stack.sql("update ingest_jobs set run_at = now() + interval '1 day' where status = 'queued'")
    with another_worker(stack, **CAUTIOUS):
        assert run(chief, "finished-jobs") == {}
    assert run(chief, "finished-jobs") == {"expired": 2}
    left = {name for (name,) in stack.sql("select source_reference from ingest_jobs where kind = 'ingest'")}
    assert left == {"old failed", "new succeeded", "new cancelled", "new failed", "waiting"}


def test_batches_that_are_over_go_when_no_job_of_them_is_left(stack: Stack, chief: httpx2.Client) -> None:
    made = f"""
        insert into batches (name, created_by, created_at, finished_at)
        values ('old', 'x', {LONG_AGO}, {LONG_AGO}), ('new', 'x', {LONG_AGO}, now()), ('waits', 'x', now(), null)
    """
    stack.sql(made)
    assert run(chief, "finished-jobs") == {"batches_expired": 1}
    assert {name for (name,) in stack.sql("select name from batches")} == {"new", "waits"}


def test_deliveries_that_ended_long_ago_are_forgotten_but_not_those_that_wait(
    stack: Stack, chief: httpx2.Client
) -> None:
    ((webhook,),) = stack.sql(
        "insert into webhooks (url, events, secret, created_by, disabled_at, disabled_reason)"
        " values ('https://x.example', '{job.failed}', '', 'x', now(), 'x') returning webhook_id"
    )
    for event, status, finished in (
        ("old", "succeeded", LONG_AGO),
        ("new", "failed", "now()"),
        ("due", "pending", "null"),
    ):
        stack.sql(
            "insert into webhook_deliveries (webhook_id, event_id, event, entity_id, body, status, finished_at)"
            f" values (%s, uuidv7(), %s, uuidv7(), '{{}}', %s, {finished})",
            webhook,
            event,
            status,
        )
    assert run(chief, "finished-jobs") == {"deliveries_expired": 1}
    assert stack.sql("select event from webhook_deliveries order by event") == [("due",), ("new",)]
