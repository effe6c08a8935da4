"""Thumbnail sets a second: ours on one thread against the obvious loop of sharp on one thread.

``python -m ops.bench.thumbnails [COUNT]`` prints both and their ratio. Without Node the peer is Pillow's obvious loop.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

from PIL import Image, ImageOps

from ops.samples import picture
from pipeline.thumbnails import QUALITY, VARIANTS, thumbnails

SIZES: Final = ((1632, 1224), (2048, 1365), (1536, 2048), (2592, 1944), (3264, 2448), (3000, 4000), (4000, 3000))
SEED: Final = 2
ROUNDS: Final = 3
PEER: Final = Path(__file__).parent / "peers" / "sharp"
CACHE: Final = Path(tempfile.gettempdir()) / f"episodes-bench-{os.getuid()}"

Loop = Callable[[Sequence[Path]], float]


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
        list(pool.map(_one, paths[:processes] * 2))  # started and warm
        start = time.perf_counter()
        list(pool.map(_one, paths))
        return len(paths) / (time.perf_counter() - start)


def _processes(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, get_context("spawn"))


def _one(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        thumbnails(path, Path(folder))


def _ours(paths: Sequence[Path]) -> float:
    start = time.perf_counter()
    for path in paths:
        _one(path)
    return time.perf_counter() - start


def _pillow(paths: Sequence[Path]) -> float:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            for name, size in VARIANTS:
                with Image.open(path) as image:
                    ImageOps.fit(ImageOps.exif_transpose(image), size).save(f"{folder}/{name}.jpg", quality=QUALITY)
    return time.perf_counter() - start


def _sharp(node: str, home: Path, paths: Sequence[Path]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [node, home / "thumbnails.mjs", folder, *paths]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


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
    """Run both in turn, print images a second of each, and return how many times as fast ours is."""
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(len(paths) / _ours(paths))
        theirs.append(len(paths) / peer(paths))
    ratio = median(ours) / median(theirs)
    print(f"thumbnail sets, one thread, {len(paths)} photos of 2-12 megapixels, median of {ROUNDS}")
    print(f"  one scaled decode   {median(ours):6.1f} images/s")
    print(f"  {name:<18}  {median(theirs):6.1f} images/s")
    print(f"  ratio               {ratio:6.2f}")
    return ratio


def main() -> None:
    """Compare on as many photos as the first argument says, 28 by default."""
    paths = photos(int(sys.argv[1]) if len(sys.argv) > 1 else 28)
    compare(paths, *_peer())
    processes = os.cpu_count() or 1
    print(f"  bare, {processes} processes   {bare(paths, processes):6.1f} images/s")


if __name__ == "__main__":
    main()
