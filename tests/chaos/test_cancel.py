"""A job that is cancelled in the middle of its work leaves nothing."""

import re
import time

import httpx2
import pytest

from tests.chaos.conftest import QUICK, Dealer
from tests.chaos.ledger import Sent
from tests.chaos.proxy import Hold
from tests.chaos.storage import FETCH, STORE, pictures
from tests.chaos.world import World
from tests.eventually import eventually

# Stage → the request to the storage in whose middle it is cancelled.
MIDDLE = {"ingest": FETCH, "thumbnail": STORE}


@QUICK
@pytest.mark.parametrize("stage", MIDDLE)
def test_a_job_that_is_cancelled_while_it_runs_leaves_nothing(
    world: World, client: httpx2.Client, dealt: Dealer, stage: str
) -> None:
    world.lone()
    before, lost = told(world, "job cancelled"), told(world, "lease lost")
    sent, since = cancelled(world, client, stage, MIDDLE[stage])
    eventually(lambda: told(world, "job cancelled") > before)
    assert told(world, "lease lost") == lost
    dealt(f"a job is cancelled in the middle of {stage}", world, since, within=5)
    last = "select stage, result from ingest_attempts where job_id = %s order by fence desc limit 1"
    assert world.stack.sql(last, sent.job_id) == [(stage, "cancelled")]
    assert world.stack.sql("select 1 from files where sha256 = %s and stored_at is not null", sent.sha256) == []
    assert world.stack.sql("select 1 from thumbnails where entity_id = %s", sent.entity_id) == []
    assert pictures(world, f"clips/{sent.entity_id}/") == []
    if stage == "ingest":
        assert pictures(world, f"content/{sent.sha256[:2]}/{sent.sha256}/") == []


def told(world: World, event: str) -> int:
    """How often workers have logged an event."""
    return world.stack.log("worker").count(f'"{event}"')


def cancelled(world: World, client: httpx2.Client, stage: str, request: re.Pattern[bytes]) -> tuple[Sent, float]:
    """A job that was, while a request of this stage was held up that goes on then; and when it was."""
    hold = Hold()
    trap = world.storage.trap("up", request, hold)
    sent = world.send(client, None, "cancelled")
    trap.wait()
    status = "select status, stage from ingest_jobs where job_id = %s"
    assert world.stack.sql(status, sent.job_id) == [("running", stage)]
    assert client.post(f"/api/v1/ingest/{sent.job_id}/cancel").status_code == 200
    since = time.monotonic()
    hold.release()
    world.calm()
    return sent, since
