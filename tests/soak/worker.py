"""A worker of a soak: its decoders have a bug, and its clock is off by ``CLOCK_OFF_SECONDS`` where that is set."""

from tests.chaos.wrong_clock_worker import bend

if __name__ == "__main__":
    bend()
    from pipeline import worker
    from tests.chaos.poisoned_worker import poison

    poison()
    raise SystemExit(worker.main())
