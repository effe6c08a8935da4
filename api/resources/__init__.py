"""What a client sees of each entity: the controllers in the module of its table are served because they are there."""

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from litestar import Controller

from models.catalog import CATALOG


def controllers() -> Iterator[type[Controller]]:
    """Those of all entities, in the order of the catalog."""
    for resource in CATALOG.values():
        yield from _declared(import_module(f"{__name__}.{resource.table.name}"))


def _declared(module: ModuleType) -> Iterator[type[Controller]]:
    for found in vars(module).values():
        if isinstance(found, type) and issubclass(found, Controller) and found.__module__ == module.__name__:
            yield found
