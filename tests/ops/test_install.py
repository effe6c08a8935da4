"""The lock installs on any day: on an index where each package has a newer release, by the pip that Python ships."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

import pytest

pytestmark = pytest.mark.services

ROOT: Final = Path(__file__).parents[2]
PIN: Final = re.compile(
    r"^(?P<name>[a-z0-9.-]+)(?P<extras>\[[^]]*\])?==(?P<version>[^ ]+)(?P<marker> ; [^\\]+)? \\$", re.M
)
NEWER: Final = "9999"
# Builds nothing: what is under test is how the packages of the lock come in, not our own.
BACKEND: Final = """
import zipfile
def build_editable(folder, *_):
    with zipfile.ZipFile(f"{folder}/episodes-0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("episodes-0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: episodes\\nVersion: 0\\n")
        wheel.writestr("episodes-0.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("episodes-0.dist-info/RECORD", "")
    return "episodes-0-py3-none-any.whl"
"""


class Pin(NamedTuple):
    """A package of the lock."""

    name: str
    extras: str
    version: str
    marker: str


def pins(lock: str) -> Iterator[Pin]:
    for found in PIN.finditer((ROOT / lock).read_text()):
        yield Pin(found["name"], found["extras"] or "", found["version"], (found["marker"] or "").rstrip())


def needs(name: str) -> list[str]:
    """What a package asks for, with its extras, as it is installed here."""
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:  # the lock has it for other machines
        return []
    fields = ("Requires-Dist", "Provides-Extra")
    return [f"{field}: {value}" for field in fields for value in found.get_all(field) or ()]


def wheel(folder: Path, name: str, version: str) -> str:
    """An empty package that asks for what the real one does; its SHA-256."""
    stem = f"{name.replace('-', '_').replace('.', '_')}-{version}"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *needs(name), ""]
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{stem}.dist-info/METADATA", "\n".join(lines))
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def publish(index: Path, pin: Pin) -> str:
    """Put the pinned and a newer release on the index; the pin's line of the lock."""
    folder = index / re.sub(r"[-_.]+", "-", pin.name)
    folder.mkdir(parents=True)
    digest = wheel(folder, pin.name, pin.version)
    wheel(folder, pin.name, NEWER)
    links = [f'<a href="{file.name}">{file.name}</a>' for file in folder.glob("*.whl")]
    (folder / "index.html").write_text("\n".join(links))
    return f"{pin.name}{pin.extras}=={pin.version}{pin.marker} --hash=sha256:{digest}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with our Makefile and our lock, whose packages are empty."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    lines = {pin: publish(tmp_path / "index", pin) for pin in pins("requirements-dev.txt")}
    by_name = {pin.name: line for pin, line in lines.items()}
    (tmp_path / "requirements-dev.txt").write_text("".join(lines.values()))
    (tmp_path / "requirements.txt").write_text("".join(by_name[pin.name] for pin in pins("requirements.txt")))
    (tmp_path / "backend.py").write_text(BACKEND)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "episodes"\nversion = "0"\n[build-system]\nrequires = []\n'
        'build-backend = "backend"\nbackend-path = ["."]\n'
    )
    return tmp_path


def stranger(project: Path) -> dict[str, str]:
    """The environment of somebody who has no settings of pip and reaches only our index."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    index = (project / "index").as_uri()
    return ours | {"HOME": str(project), "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index, "PIP_NO_CACHE_DIR": "1"}


def installed(project: Path) -> dict[str, str]:
    """The version of each package that is there; pip says that none lacks what it needs."""
    pip = [str(project / ".venv/bin/python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "check"], env=stranger(project), check=True)
    listed = json.loads(subprocess.check_output([*pip, "list", "--format", "json"], env=stranger(project)))
    return {one["name"].lower().replace("_", "-"): one["version"] for one in listed}


def test_each_package_of_the_lock_is_installed_as_pinned_while_newer_releases_of_all_exist(project: Path) -> None:
    make = ["make", f"PYTHON={sys.executable}", ".venv/.dev"]
    ran = subprocess.run(make, cwd=project, env=stranger(project), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    here = {pin.name: pin.version for pin in pins("requirements-dev.txt") if needs(pin.name)}
    assert len(here) > 50
    assert installed(project).items() >= here.items()


def test_the_lock_keeps_the_extras_that_its_packages_ask_for() -> None:
    locked = {pin.name: pin.extras for pin in pins("requirements-dev.txt")}
    asked = re.compile(r"^Requires-Dist: ([A-Za-z0-9._-]+)\[([^]]+)\](?!.*extra ==)")
    for name in locked:
        for line in needs(name):
            if found := asked.match(line):
                other = re.sub(r"[-_.]+", "-", found[1]).lower()
                assert set(found[2].split(",")) <= set(locked[other].strip("[]").split(", ")), (name, line)
