"""A worker whose catalog has a tenth entity, declared as the guide says."""

from typing import cast
from uuid import UUID

from models import catalog
from models.catalog.resource import File, Resource, Searched
from models.db.table import Entity, Table


class Vehicle(Entity):
    """A row of ``vehicles``."""

    vehicle_id: UUID
    name: str
    description: str | None
    photo_reference: str | None


VEHICLES = Table("vehicles", Vehicle, key="vehicle_id", title="name", filters={})
RESOURCE = Resource(
    table=VEHICLES, new=Vehicle, patch=None, search=Searched(), files={"primary": File("photo_reference")}
)

if __name__ == "__main__":
    cast("dict[str, Resource]", catalog.CATALOG)[RESOURCE.name] = RESOURCE
    from pipeline import worker  # what lists entities does so when it is imported

    raise SystemExit(worker.main())
