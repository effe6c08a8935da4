"""A worker whose catalog has a tenth entity, declared as the guide says."""

from typing import cast
from uuid import UUID

from models import catalog
from models.catalog.resource import File, Resource, Searched
from models.db.table import Entity, Table


class Location(Entity):
    """A row of ``locations``."""

    location_id: UUID
    name: str
    description: str | None
    photo_reference: str | None


LOCATIONS = Table("locations", Location, key="location_id", title="name", filters={})
RESOURCE = Resource(
    table=LOCATIONS, new=Location, patch=None, search=Searched(), files={"primary": File("photo_reference")}
)

if __name__ == "__main__":
    cast("dict[str, Resource]", catalog.CATALOG)[RESOURCE.name] = RESOURCE
    from pipeline import worker  # what lists entities does so when it is imported

    raise SystemExit(worker.main())
