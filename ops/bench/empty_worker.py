"""A worker whose four stages do nothing but what the ledger asks of any: ``python -m ops.bench.empty_worker``."""

from pathlib import Path
from typing import Final

from models import process
from models.jobs.claims import Claimed
from models.jobs.types import STAGES
from pipeline.engine.context import Context
from pipeline.engine.runner import Chains
from pipeline.worker import run


async def nothing(_context: Context, _claimed: Claimed, _folder: Path) -> None:
    """A stage without work and without effects."""


EMPTY: Final[Chains] = {"ingest": dict.fromkeys(STAGES, nothing)}

if __name__ == "__main__":
    raise SystemExit(process.main("worker", lambda settings: run(settings, EMPTY)))
