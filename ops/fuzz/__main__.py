"""``make fuzz``: requests made from the OpenAPI document, each answer held against it, as each of the three roles.

A stack of its own is started, filled with a few things of each kind, and stopped. A seed may be given: with the same
one the same requests are made, as far as they do not depend on earlier answers.
"""

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx2

from migrations import upgrade
from models import dev_issuer
from models.build import PROJECT
from models.roles import Role
from ops.fuzz.fixtures import Ids, make
from ops.stack.services import Services
from ops.stack.system import System

LEAST: Final = 20_000  # requests in all
PHASES: Final = "examples,coverage,fuzzing,stateful"
EXAMPLES: Final[dict[Role, int]] = {"admin": 40, "editor": 40, "viewer": 10}
SETTINGS: Final = Path(__file__).with_name("schemathesis.toml")


def main() -> int:
    """Run it; 0 where nothing was found and enough was tried."""
    seed = _arguments().seed or random.SystemRandom().randrange(1, 2**31)
    with TemporaryDirectory(prefix="episodes-fuzz-") as folder, _system(Path(folder)) as system:
        ids = things_of(system)
        reports = [run(system, role, ids, seed=seed, examples=count) for role, count in EXAMPLES.items()]
    made = sum(report["test_cases"]["generated"] for report in reports)
    found = sum(report["test_cases"]["unique_failures"] + report["test_cases"]["errored"] for report in reports)
    print(f"seed {seed}: {made:,} requests, {found} failures (again: make fuzz FUZZ_SEED={seed})")
    return int(found > 0 or made < LEAST)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


@contextmanager
def _system(folder: Path) -> Iterator[System]:
    with Services(folder / "services", {}) as services:
        upgrade(services.environment["MIGRATION_DATABASE_URL"], application_url=services.environment["DATABASE_URL"])
        system = System(services.environment, folder, RATE_LIMIT_PER_MINUTE="0", LOG_LEVEL="ERROR")
        try:
            system.start()
            yield system
        finally:
            system.stop()


def things_of(system: System) -> Ids:
    with httpx2.Client(base_url=system.url, headers=_headers(system, "admin"), timeout=60, trust_env=False) as client:
        return make(client)


def _headers(system: System, role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {dev_issuer.sign(system.home, role=role, subject=f'fuzz-{role}')}"}


def run(system: System, role: Role, ids: Ids, *, seed: int, examples: int, phases: str = PHASES) -> dict[str, Any]:
    """Let schemathesis loose as ``role``; prints what it finds, gives its report."""
    settings, report, said = (system.home / f"fuzz-{role}.{kind}" for kind in ("toml", "json", "txt"))
    settings.write_text(SETTINGS.read_text() + _dictionaries(ids))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run"]
    command += [f"{system.url}/schema/openapi.json", "--phases", phases, "--seed", str(seed), "--no-color"]
    command += ["--max-examples", str(examples), "--continue-on-failure", "--warnings", "off"]
    command += ["--report", "json", "--report-json-path", str(report)]
    for name, value in _headers(system, role).items():
        command += ["--header", f"{name}: {value}"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "ops.fuzz.checks", "PYTHONPATH": str(PROJECT)}
    with said.open("wb") as output:
        subprocess.run(command, env=environment, stdout=output, stderr=output, cwd=system.home, check=False)
    return _told(role, report, said.read_text())


def _told(role: str, report: Path, said: str) -> dict[str, Any]:
    if not report.exists():
        raise RuntimeError(said)
    found: dict[str, Any] = json.loads(report.read_text())
    counts = found["test_cases"]
    if counts["unique_failures"] or counts["errored"]:
        print(said.partition("= FAILURES =")[2].partition("= SUMMARY =")[0])
    print(f"{role}: {counts['generated']:,} requests, {counts['unique_failures']} failures")
    for failure in found["failures"]:
        print(f"  {failure['title']}: {', '.join(failure['operations'])}")
    return found


def _dictionaries(ids: Ids) -> str:
    """What exists, to be asked for now and then; what is deleted meanwhile is asked for too."""
    lines = [f"[dictionaries.{name}]\nvalues = {json.dumps(made)}" for name, made in ids.items()]
    places = [
        f'"{place}.{name}" = {{ dictionary = "{name}", probability = 0.4 }}'
        for name in ids
        for place in ("path", "body")
    ]
    places.append('"body.entity_id" = { dictionary = "clip_id", probability = 0.4 }')
    places.append('"query.against" = { dictionary = "script_id", probability = 0.8 }')
    return "\n" + "\n".join([*lines, "[parameters]", *places]) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
