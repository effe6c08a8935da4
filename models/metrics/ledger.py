"""What the database counts, read in one statement."""

import msgspec

from models.db import connection as db
from models.db.connection import Connection
from models.operations.processes import ALIVE


class JobStatistics(msgspec.Struct):
    """What counts jobs, as the database has it."""

    jobs: list[tuple[str, str, int]]  # status, stage, how many
    oldest: list[tuple[str, float]]  # priority, seconds
    paused: list[str]  # priorities and stages
    outbox_pending: int
    index_lag_seconds: float
    findings: dict[str, int]  # by their kind
    unread_seconds: float
    totals: list[tuple[str, str, str, int]]  # name, label, error code, how many since the beginning
    bounds: list[float]  # seconds
    buckets: list[tuple[str, str, int, int]]  # name, label, place among the bounds from 1 on, how many up to there
    seconds: list[tuple[str, str, float]]  # name, label, how long all together
    processes: dict[str, int]  # alive, by their program
    decoders: int
    decoders_busy: int
    heartbeat_seconds: float | None  # of the dispatcher that beat last
    seal_seconds: float | None
    tasks: list[tuple[str, float | None]]  # task, seconds since a run ended well
    backup_seconds: float | None
    deliveries_pending: int
    delivery_lag_seconds: float  # of webhooks that do not fail
    webhooks: dict[str, int]  # by how it goes with them


async def statistics(connection: Connection) -> JobStatistics:
    """Read all of it in one statement."""
    query = f"""
        select
          (select coalesce(jsonb_agg(jsonb_build_array(status, stage, number)), '[]') from
             (select status, stage, count(*) as number from ingest_jobs group by status, stage) as counted),
          (select coalesce(jsonb_agg(jsonb_build_array(priority, seconds)), '[]') from
             (select priority, extract(epoch from clock_timestamp() - min(coalesce(retried_at, created_at)))::float8
                     as seconds
              from ingest_jobs where status = 'queued' group by priority) as waiting),
          (select coalesce(array_agg(name), '{{}}') from ingest_pauses where until > clock_timestamp()),
          (select count(*) from outbox),
          (select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 from outbox),
          (select coalesce(jsonb_object_agg(kind, number), '{{}}') from
             (select kind, count(*) as number from integrity_findings where resolved_at is null group by kind) as open),
          (select coalesce(extract(epoch from clock_timestamp() - min(coalesce(verified_at, stored_at))), 0)::float8
           from files where stored_at is not null),
          (select coalesce(jsonb_agg(jsonb_build_array(name, label, error_code, number)), '[]') from
             (select name, label, error_code, sum(total) as number
              from ingest_totals group by name, label, error_code) as summed),
          histogram_bounds(),
          (select coalesce(jsonb_agg(jsonb_build_array(name, label, place, number) order by name, label, place), '[]')
           from (select name, label, place, sum(sum(counted)) over (partition by name, label order by place) as number
                 from ingest_histograms, unnest(counts) with ordinality as bucket (counted, place)
                 group by name, label, place) as summed),
          (select coalesce(jsonb_agg(jsonb_build_array(name, label, seconds)), '[]') from
             (select name, label, sum(seconds) as seconds from ingest_histograms group by name, label) as summed),
          (select coalesce(jsonb_object_agg(program, number), '{{}}') from
             (select program, count(*) as number from processes where {ALIVE} group by program) as alive),
          (select coalesce(sum(decoders), 0)::int from processes where {ALIVE}),
          (select coalesce(sum(decoders_busy), 0)::int from processes where {ALIVE}),
          (select extract(epoch from clock_timestamp() - max(beat_at))::float8 from processes
           where program = 'dispatcher'),
          (select extract(epoch from clock_timestamp() - max(sealed_at))::float8 from audit_seals
           where seal_id = (select max(seal_id) from audit_seals)),
          (select coalesce(jsonb_agg(jsonb_build_array(task, seconds)), '[]') from
             (select task, (select extract(epoch from clock_timestamp() - max(finished_at)) from ingest_jobs
                            where entity_id = task_id and status = 'succeeded')::float8 as seconds
              from housekeeping_tasks order by task) as done),
          (select extract(epoch from clock_timestamp() - last_archived_time)::float8 from pg_stat_archiver),
          (select count(*) from webhook_deliveries where status = 'pending'),
          (select coalesce(max(extract(epoch from clock_timestamp() - due_at)), 0)::float8
           from webhooks join lateral (
             select min(due_at) as due_at from webhook_deliveries as one
             where one.webhook_id = webhooks.webhook_id and status = 'pending') as first on due_at < clock_timestamp()
           where disabled_at is null and failing_since is null),
          (select coalesce(jsonb_object_agg(state, number), '{{}}') from
             (select case when disabled_at is not null then 'disabled' when failing_since is not null then 'failing'
                     else 'working' end as state, count(*) as number from webhooks group by 1) as counted)
    """
    row = await db.row(connection, JobStatistics, query.encode())
    assert row is not None  # noqa: S101
    return row
