"""The catalog: every entity by its name, each declared in the module of its table."""

from collections.abc import Mapping
from importlib import import_module
from typing import Final, get_args

from models.catalog.resource import Resource
from models.entities import EntityName

CATALOG: Final[Mapping[str, Resource]] = {
    name: import_module(f"{__name__}.{name}s").RESOURCE for name in get_args(EntityName)
}
