"""What a soak has found, and how it is written down."""

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from msgspec import Struct

from tests.chaos.ledger import Verdict
from tests.chaos.world import World
from tests.processes import family

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
MIB: Final = 1 << 20
GROWTH: Final = 1.2  # times as much memory as before, or descriptors, and
ROOM: Final = 16  # MiB or descriptors more, are steady
SHOWN: Final = 20  # sentences of what does not hold


class Use(Struct):
    """What processes use: MiB of memory, open descriptors."""

    memory: float
    descriptors: int


Sample = dict[str, Use]  # by program


class Figures(Struct):
    """One soak."""

    day: date
    seed: int
    files: int
    beside: int  # files that faults brought along
    minutes: float
    dealt: dict[str, int]
    repeats: int
    retried: int
    recovery: tuple[float, float]  # seconds
    growth: dict[str, tuple[Use, Use]]
    verdict: Verdict


def sample(world: World) -> Sample:
    """The programs that live to the end, now."""
    programs = {"API": world.stack.api, "dispatcher": world.stack.dispatcher, "worker": world.workers[0]}
    each = {name: family(child.pid) for name, child in programs.items() if child.pid is not None}
    if "worker" in each:
        each["decoders of the worker"] = each["worker"][1:]
        each["worker"] = each["worker"][:1]
    return {name: _use(pids) for name, pids in each.items()}


def _use(each: Sequence[int]) -> Use:
    pages = sum(int(_read(one, "statm").split()[1]) for one in each if _read(one, "statm"))
    return Use(pages * PAGE / MIB, sum(_descriptors(one) for one in each))


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:  # it has just ended
        return ""


def _descriptors(pid: int) -> int:
    folder = Path(f"/proc/{pid}/fd")
    try:
        return len(list(folder.iterdir()))
    except PermissionError:  # our programs show others their number, and that on newer kernels, and no more
        return folder.stat().st_size
    except OSError:
        return 0


def growth(samples: Sequence[Sample]) -> dict[str, tuple[Use, Use]]:
    """Use in the first and in the last tenth of the samples: the median of memory, the fewest descriptors."""
    tenth = max(len(samples) // 10, 1)
    names = set.intersection(*(set(one) for one in samples)) if samples else set()
    return {
        name: (_middle([one[name] for one in samples[:tenth]]), _middle([one[name] for one in samples[-tenth:]]))
        for name in sorted(names)
    }


def steady(grown: dict[str, tuple[Use, Use]]) -> bool:
    """Whether no program has come to use much more than before."""
    return all(
        last.memory < first.memory * GROWTH + ROOM and last.descriptors < first.descriptors * GROWTH + ROOM
        for first, last in grown.values()
    )


def _middle(uses: Sequence[Use]) -> Use:
    memory = sorted(use.memory for use in uses)
    return Use(memory[len(memory) // 2], min(use.descriptors for use in uses))


def percentiles(seconds: Sequence[float | None]) -> tuple[float, float]:
    """The 50th and the 99th; zeros where there is nothing."""
    found = sorted(one for one in seconds if one is not None)
    return (found[len(found) // 2], found[min(len(found) * 99 // 100, len(found) - 1)]) if found else (0.0, 0.0)


def written(figures: Figures) -> str:
    """As a page of Markdown."""
    said = figures.verdict
    rows = [
        ("files, of which a fifth were sent before and a twentieth is hostile", f"{figures.files:,}"),
        ("files that faults brought along", f"{figures.beside}"),
        ("minutes, and files a second", f"{figures.minutes:.1f}, {figures.files / figures.minutes / 60:.1f}"),
        ("faults dealt, kinds of them", f"{sum(figures.dealt.values())}, {len(figures.dealt)}"),
        ("requests that clients had to make again", f"{figures.repeats}"),
        ("jobs that failed by our fault, and were started again at the end", f"{figures.retried}"),
        ("lost / doubled / stuck / wrong", " / ".join(str(len(found)) for found in _found(said))),
        ("from a lost lease to the end of its stage, p50 and p99", "{:.2f} s and {:.2f} s".format(*figures.recovery)),
    ]
    rows += [(f"{name}: memory, descriptors, in the second half", _grown(*use)) for name, use in figures.growth.items()]
    lines = ["# Soak", "", f"On {figures.day}, seed {figures.seed}: `make soak SOAK_SEED={figures.seed}`.", ""]
    lines += _table(("what", "figure"), rows)
    lines += ["", *_table(("end", "jobs"), [(end, f"{number:,}") for end, number in sorted(said.ends.items())])]
    lines += ["", *_table(("fault", "dealt"), [(name, str(times)) for name, times in sorted(figures.dealt.items())])]
    broken = [sentence for sentences in _found(said) for sentence in sentences]
    return "\n".join([*lines, *([""] if broken else []), *(f"- {sentence}" for sentence in broken[:SHOWN])])


def _found(said: Verdict) -> tuple[list[str], ...]:
    return said.lost, said.doubled, said.stuck, said.wrong


def _grown(first: Use, last: Use) -> str:
    return f"{first.memory:.0f} → {last.memory:.0f} MiB, {first.descriptors} → {last.descriptors}"


def _table(head: tuple[str, str], rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"| {head[0]} | {head[1]} |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]
