"""What our code takes of libraries beyond what they document, as a search finds it.

That is: a private name that is imported, or read off something that is not ours; an attribute of a library that is set;
what a class of ours overrides, or uses of the private names, of a library's class; and what comes from a module that
its library does not document.
"""

import ast
import inspect
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
OURS: Final = ("api", "pipeline", "models", "ops", "migrations")
UNDOCUMENTED: Final = (
    "dramatiq.asyncio",
    "granian.net",
    "granian.server",
    "litestar.routes",
    "litestar.utils",
    "nanio.app",
    "nanio.storage",
    "PIL.AvifImagePlugin",
    "PIL.TiffImagePlugin",
    "schemathesis.openapi",
    "schemathesis.specs",
)
MUTATORS: Final = ("add", "append", "clear", "extend", "insert", "pop", "remove", "setdefault", "update")
NO_LIBRARYS: Final = "…"  # what an expression reads that no library has
# Documented by Python, in spite of their names; and what it writes into every abstract class.
PYTHONS: Final = frozenset({"_asdict", "_exit", "_fields", "_replace", "_abc_impl", "_is_protocol"})


@cache
def found() -> dict[str, set[str]]:
    """Each name → those of our files that have it."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for file in (file for folder in OURS for file in sorted((ROOT / folder).rglob("*.py"))):
        for name in in_module(file):
            names[name].add(str(file.relative_to(ROOT)))
    return dict(names)


def in_module(file: Path) -> Iterator[str]:
    """What one of our files takes."""
    tree = ast.parse(file.read_text())
    libraries = dict(_imports(tree))
    yield from (name for name in libraries.values() if _is_private(name) or name.startswith(UNDOCUMENTED))
    yield from _in_expressions(tree, libraries)
    bases = [base for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases]
    if any(_read(base, libraries) != NO_LIBRARYS for base in bases):
        yield from _in_classes(import_module(".".join(file.relative_to(ROOT).with_suffix("").parts)))


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What a module calls a thing that it imports from a library → the thing's whole name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            pairs = [(alias.asname or alias.name.partition(".")[0], alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            pairs = [(alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names]
        else:
            continue
        yield from ((name, whole) for name, whole in pairs if _is_a_librarys(whole))


def _in_expressions(tree: ast.Module, libraries: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=value, attr=attr) if _is_private(attr) and not _is_of_self(value):
                yield f"{_read(value, libraries)}.{attr}"
            case ast.Assign(targets=[ast.Attribute() as target]) if _read(target, libraries) != NO_LIBRARYS:
                yield _read(target, libraries)
            case ast.Call(func=ast.Attribute(value=ast.Attribute() as value, attr=attr)) if attr in MUTATORS:
                yield from {_read(value, libraries)} - {NO_LIBRARYS}


def _read(value: ast.expr, libraries: dict[str, str]) -> str:
    """The whole name of what an expression reads from a library."""
    match value:
        case ast.Name(id=name):
            return libraries.get(name, NO_LIBRARYS)
        case ast.Attribute(value=inner, attr=attr):
            name = _read(inner, libraries)
            return name if name == NO_LIBRARYS else f"{name}.{attr}"
        case ast.Subscript(value=inner):
            return _read(inner, libraries)
    return NO_LIBRARYS


def _in_classes(module: object) -> Iterator[str]:
    for made in vars(module).values():
        if isinstance(made, type) and made.__module__ == getattr(module, "__name__", ""):
            mine = {name for name in _names(made) if _is_private(name) or name in vars(made)}
            for base in (base for base in made.__mro__[1:] if _is_a_librarys(base.__module__)):
                yield from (f"{base.__name__}.{name}" for name in mine & _names(base))
                mine -= _names(base)


@cache
def _names(made: type) -> frozenset[str]:
    """What a class defines, and reads or sets of itself."""
    names = set(vars(made)) | _of_self(made)
    return frozenset(name for name in names - PYTHONS if not name.startswith("__") or name == "__call__")


def _of_self(made: type) -> set[str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(made)))
    except (OSError, TypeError):  # it is compiled
        return set()
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_of_self(node.value)}


def _is_of_self(value: ast.expr) -> bool:
    return ast.unparse(value) in ("self", "cls", "super()")


def _is_a_librarys(whole: str) -> bool:
    return whole.partition(".")[0] not in (*OURS, *sys.stdlib_module_names)


def _is_private(name: str) -> bool:
    parts = set(name.split(".")) - PYTHONS
    return any(part.startswith("_") and not part.endswith("__") and part != "_" for part in parts)
