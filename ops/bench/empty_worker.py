"""A worker whose four stages do nothing but what the ledger asks of any: ``python -m ops.bench.empty_worker``."""

from pathlib import Path
from typing import Final

from models import program
from models.claims import Claimed
from models.jobs import STAGES
from pipeline.context import Context
from pipeline.stage import Chains
from pipeline.worker import run


async def nothing(_context: Context, _claimed: Claimed, _folder: Path) -> None:
    """A stage without work and without effects."""


EMPTY: Final[Chains] = {"ingest": dict.fromkeys(STAGES, nothing)}

if __name__ == "__main__":
    raise SystemExit(program.main("worker", lambda settings: run(settings, EMPTY)))
