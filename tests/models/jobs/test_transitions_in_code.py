"""The table of what may happen to a job, held against the code: whose statements write to one, and who reaches them."""

import ast
import re
from collections.abc import Iterator
from typing import Final

import pytest

from models.build import PROJECT
from models.jobs import TRANSITIONS, Transition

WRITES: Final = re.compile(r"\b(update|insert into|delete from)\s+ingest_jobs\b")


class Code:
    """What stands at the top of each module of ours, and what of it refers to what: ``models.jobs.claims.claim``."""

    def __init__(self, *folders: str) -> None:
        self.refers: dict[str, set[str]] = {}
        self.writes: set[str] = set()
        for path in (path for folder in folders for path in (PROJECT / folder).rglob("*.py")):
            self._read(".".join(path.relative_to(PROJECT).with_suffix("").parts), ast.parse(path.read_text()))

    def _read(self, module: str, tree: ast.Module) -> None:
        known: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                known |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
        own = {name: node for node in tree.body for name in _names(node)}
        for name, node in own.items():
            here = f"{module}.{name}"
            self.refers[here] = set(_references(node, known | {other: f"{module}.{other}" for other in own})) - {here}
            if any(isinstance(part, ast.Constant) and WRITES.search(str(part.value)) for part in ast.walk(node)):
                self.writes.add(here)

    def public_users(self, name: str) -> set[str]:
        """Who has a text, by way of what is private to its module."""
        users = {user for user, used in self.refers.items() if name in used}
        return {found for user in users for found in (self.public_users(user) if _private(user) else {user})}

    def all_users(self, name: str) -> set[str]:
        """Who refers to it in the end."""
        found, left = set[str](), [name]
        while left:
            users = {user for user, used in self.refers.items() if left[-1] in used} - found
            left[-1:] = users
            found |= users
        return found


def _names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.AnnAssign | ast.Assign):
        targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _references(node: ast.stmt, known: dict[str, str]) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in known:
            yield known[part.id]
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in known:
            yield f"{known[part.value.id]}.{part.attr}"


def _private(name: str) -> bool:
    return name.rpartition(".")[2].startswith("_")


@pytest.fixture(scope="module")
def code() -> Code:
    """All that may touch a job."""
    return Code("api", "models", "pipeline")


def test_no_other_statement_writes_to_a_job(code: Code) -> None:
    writers = {user for text in code.writes for user in (code.public_users(text) if _private(text) else {text})}
    assert writers == {f"models.{line.function}" for line in TRANSITIONS}


REACHED_FROM: Final = {
    "editor": {"api"},
    "admin": {"api"},
    "worker": {"pipeline"},
    "dispatcher": {"pipeline"},
    "housekeeping": {"pipeline"},
    "whoever ends": {"api", "pipeline"},
}


@pytest.mark.parametrize("line", TRANSITIONS, ids=lambda line: line.event)
def test_an_event_is_caused_by_whom_the_table_names(code: Code, line: Transition) -> None:
    users = {user for user in code.all_users(f"models.{line.function}") if not user.startswith("models.")}
    assert {user.partition(".")[0] for user in users} == REACHED_FROM[line.by]
    assert any(user.startswith("pipeline.dispatcher.") for user in users) is (line.by in ("dispatcher", "whoever ends"))
