"""SQL is composed of the code's own constants: what else goes into its text is named here, and somebody has read it.

``tests/api/test_sql_text.py`` sees the statements of the routes that it calls; this sees every line that composes one.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import models

ROOT = Path(models.__file__).parent
# A statement, or a condition that becomes a part of one.
STATEMENT = re.compile(
    r"\b(select|insert into|update \w+|delete from|order by|where|union all|is null)\b|%\(|[=<>] ?'|\blike '"
)
# By file and function: variables that go into the text of a statement. Each holds words of ours, or a number of ours.
READ = {
    ("audit/log.py", "page"): {"where", "after"},
    ("housekeeping/integrity.py", "page"): {"where", "resolved"},
    ("jobs/batches.py", "page"): {"where", "after"},
    ("jobs/bulk.py", "_slices"): {"where"},
    ("jobs/bulk.py", "stats"): {"where"},
    ("jobs/bulk.py", "_way"): {"column", "order", "most", "ways"},
    ("jobs/dispatch.py", "_due_of"): {"each", "turns"},
    ("jobs/endings.py", "_ended"): {"sets", "attempt"},
    ("jobs/endings.py", "_advanced"): {"sets"},
    ("db/table.py", "_several"): {"name"},
    ("jobs/types.py", "conditions"): {"name"},
    ("jobs/ledger.py", "page"): {"where", "after"},
    ("search/documents.py", "in_bulk"): {"settings"},
    ("search/query.py", "_matching"): {"name"},
    ("search/query.py", "_fewer"): {"enough", "name"},
    ("search/query.py", "_mark"): {"escaped"},  # the text of a tsquery, which is itself a parameter
}


def composed() -> dict[tuple[str, str], set[str]]:
    """By file and function: the variables that an f-string or ``str.format`` puts into the text of a statement."""
    found: dict[tuple[str, str], set[str]] = {}
    for file in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(file.read_text())
        ours = names_of_module(tree)
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            if names := {name for part in parts(function) for name in names_in(part)} - ours:
                found.setdefault((str(file.relative_to(ROOT)), function.name), set()).update(names)
    return found


def parts(function: ast.AST) -> Iterator[ast.expr]:
    """What goes into statements in a function."""
    for node in ast.walk(function):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            if STATEMENT.search(text):
                yield from (part.value for part in node.values if isinstance(part, ast.FormattedValue))


def names_in(expression: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}


def names_of_module(tree: ast.Module) -> set[str]:
    """What a module imports and defines: words that were there before any request."""
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name for alias in aliases}
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {name for target in targets for name in names_in(target)}
            case ast.AnnAssign(target=target):
                names |= names_in(target)
    return names


def test_what_goes_into_the_text_of_a_statement_is_a_constant_or_has_been_read() -> None:
    assert composed() == READ
