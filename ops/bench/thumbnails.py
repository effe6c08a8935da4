"""Thumbnail sets a second: ours on one thread against the obvious loop of sharp on one thread.

``python -m ops.bench.thumbnails [COUNT]`` prints both and their ratio. Without Node the peer is Pillow's obvious loop.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from PIL import Image, ImageOps

from ops.seed.drawing import picture
from pipeline.media.thumbnails import QUALITY, VARIANTS, thumbnails

SIZES: Final = ((1632, 1224), (2048, 1365), (1536, 2048), (2592, 1944), (3264, 2448), (3000, 4000), (4000, 3000))
SEED: Final = 2
ROUNDS: Final = 3
TURN: Final = 7  # files
PEER: Final = Path(__file__).parent / "peers" / "sharp"
CACHE: Final = Path(tempfile.gettempdir()) / f"episodes-bench-{os.getuid()}"


class Cost(msgspec.Struct):
    """What some work took, by the clock and of the processor."""

    wall: float = 0.0
    cpu: float = 0.0

    def add(self, other: "Cost") -> None:
        """Count what more work took."""
        self.wall += other.wall
        self.cpu += other.cpu


Loop = Callable[[Sequence[Path]], Cost]


def photos(count: int, seed: int = SEED) -> list[Path]:
    """Photographs of 2–12 megapixels, drawn once and kept in the temporary folder."""
    folder = CACHE / f"photos-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    with _processes(os.cpu_count() or 1) as pool:
        return list(pool.map(partial(_photo, folder, seed), range(count)))


def _photo(folder: Path, seed: int, number: int) -> Path:
    path = folder / f"photo-{number:03}.jpg"
    if not path.exists():
        rng = Random(f"{seed} photo {number}")  # noqa: S311 - drawing, not secrets
        half = path.with_suffix(".part")
        picture(rng, SIZES[number % len(SIZES)]).save(half, "JPEG", quality=rng.randint(85, 94))
        half.replace(path)
    return path


def bare(paths: Sequence[Path], processes: int) -> float:
    """Images a second of the bare thumbnail function on so many processes."""
    with _processes(processes) as pool:
        list(pool.map(_one, [*paths[:processes], *paths[:processes]]))  # started and warm
        start = time.perf_counter()
        list(pool.map(_one, paths))
        return len(paths) / (time.perf_counter() - start)


def _processes(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, get_context("spawn"))


def _one(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        thumbnails(path, Path(folder))


def _ours(paths: Sequence[Path]) -> Cost:
    with _measured() as seconds:
        for path in paths:
            _one(path)
    return seconds


def _pillow(paths: Sequence[Path]) -> Cost:
    with tempfile.TemporaryDirectory() as folder, _measured() as seconds:
        for path in paths:
            for name, size in VARIANTS:
                with Image.open(path) as image:
                    ImageOps.fit(ImageOps.exif_transpose(image), size).save(f"{folder}/{name}.jpg", quality=QUALITY)
    return seconds


@contextmanager
def _measured() -> Iterator[Cost]:
    seconds = Cost()
    wall, cpu = time.perf_counter(), time.process_time()
    yield seconds
    seconds.wall, seconds.cpu = time.perf_counter() - wall, time.process_time() - cpu


def _sharp(node: str, home: Path, paths: Sequence[Path]) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        command = [node, str(home / "thumbnails.mjs"), folder, *map(str, paths)]
        done = subprocess.run(command, check=True, capture_output=True)
    return msgspec.json.decode(done.stdout, type=Cost)


def _install_sharp() -> Path | None:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None
    home = CACHE / "sharp"
    shutil.copytree(PEER, home, dirs_exist_ok=True)
    done = subprocess.run([npm, "install", "--no-audit", "--no-fund"], cwd=home, check=False, capture_output=True)
    return home if done.returncode == 0 else None


def _peer() -> tuple[str, Loop]:
    home, node = _install_sharp(), shutil.which("node")
    if home is None or node is None:
        return "Pillow, three decodes (sharp needs Node and npm, which are not here)", _pillow
    return "sharp, three decodes", partial(_sharp, node, home)


def compare(paths: Sequence[Path], name: str, peer: Loop) -> float:
    """Run both by turns, print images a second of each, and return how many times as fast ours is.

    What counts is CPU time: on an idle machine it is the same as the clock's, on a busy one it is still true.
    """
    ours, theirs = Cost(), Cost()
    for _ in range(ROUNDS):
        for start in range(0, len(paths), TURN):
            ours.add(_ours(paths[start : start + TURN]))
            theirs.add(peer(paths[start : start + TURN]))
    print(f"thumbnail sets, one thread, {len(paths)} photos of 2-12 megapixels, {ROUNDS} times")
    for label, seconds in (("one scaled decode", ours), (name, theirs)):
        count = len(paths) * ROUNDS
        print(f"  {count / seconds.cpu:6.1f} images per CPU second, {count / seconds.wall:6.1f} by the clock: {label}")
    print(f"  {theirs.cpu / ours.cpu:6.2f} times as fast, {theirs.wall / ours.wall:.2f} by the clock")
    return theirs.cpu / ours.cpu


def main() -> None:
    """Compare on as many photos as the first argument says, 28 by default."""
    paths = photos(int(sys.argv[1]) if len(sys.argv) > 1 else 28)
    compare(paths, *_peer())
    processes = os.cpu_count() or 1
    print(f"  {bare(paths, processes):6.1f} images/s by the clock: one scaled decode on {processes} processes")


if __name__ == "__main__":
    main()
