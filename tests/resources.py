"""Every resource as its clients use it: where it is, what makes one, what changes it."""

from typing import Any
from uuid import uuid4

import httpx2
from msgspec import Struct

from models.catalog import CATALOG


class Resource(Struct, frozen=True):
    """A resource: its path, its id, a new one, a change, and what is wrong with a bad one (field → value)."""

    path: str
    key: str
    title: str
    new: dict[str, Any]
    patch: dict[str, Any]
    wrong: dict[str, Any]

    @property
    def name(self) -> str:
        """What the catalog calls it."""
        return self.key.removesuffix("_id")

    def body(self, client: httpx2.Client) -> dict[str, Any]:
        """A new one that clashes with nothing."""
        body = dict(self.new)
        if self.key == "show_id":
            body["name"] = f"{body['name']} {uuid4()}"
        if self.key == "episode_id":
            body["show_id"] = create(client, SHOW)["show_id"]
        return body


SHOW = Resource(
    "/api/v1/shows",
    "show_id",
    "name",
    {"name": "Styled by Lala", "description": "Looks of the week", "metadata": {"network": "own"}},
    {"status": "on_hold", "description": None},
    {"name": "", "status": "gone", "metadata": []},
)
EPISODE = Resource(
    "/api/v1/episodes",
    "episode_id",
    "title",
    {
        "title": "Winter coats",
        "episode_number": 1,
        "season_number": 2,
        "publish_date": "2026-03-01",
        "released_at": "2026-03-01T18:00:00Z",
        "duration_seconds": 1260,
        "tags": ["winter", "coats"],
    },
    {"status": "in_production", "category": "outerwear", "publish_date": None},
    {"title": "x" * 501, "episode_number": 0, "publish_date": "2026-13-01", "language": "?", "tags": "winter"},
)
CLIP = Resource(
    "/api/v1/clips",
    "clip_id",
    "title",
    {"title": "Walk at the pier", "talent_source": "Lala", "quality": "hero", "tags": ["pier"]},
    {"status": "approved", "quality": None},
    {"title": 7, "talent_source": "Nobody", "recorded_at": "yesterday", "quality": "best"},
)
OUTFIT = Resource(
    "/api/v1/outfits",
    "outfit_id",
    "name",
    {
        "name": "Camel coat look",
        "top": {"item": "coat", "colour": "camel"},
        "accessories": [{"item": "scarf"}],
        "brand": "Maison Claire",
        "season": "winter",
        "tags": ["camel"],
    },
    {"occasion": "dinner", "top": None},
    {"name": None, "top": "coat", "accessories": {}, "tags": [""]},
)
UI_ELEMENT = Resource(
    "/api/v1/ui-elements",
    "ui_element_id",
    "name",
    {"name": "Name strap", "description": "Slides in from the left", "element_type": "lower_third", "tags": ["strap"]},
    {"element_type": "overlay", "description": None, "file_reference": "https://pictures.example/strap.png"},
    {"name": "", "element_type": "sticker", "file_reference": "x" * 1025, "tags": "strap"},
)
BACKGROUND = Resource(
    "/api/v1/backgrounds",
    "background_id",
    "name",
    {"name": "Harbour at dusk", "background_type": "location", "file_reference": "https://pictures.example/dusk.jpg"},
    {"background_type": "virtual", "file_reference": None, "tags": ["sea"]},
    {"name": "x" * 256, "background_type": "moon", "description": 5},
)
COMPONENT = Resource(
    "/api/v1/components",
    "component_id",
    "name",
    {"name": "Season opener", "component_type": "intro", "config": {"seconds": 12, "layers": [{"title": True}]}},
    {"config": None, "component_type": "template", "description": "Twelve seconds of it"},
    {"name": None, "component_type": "advert", "config": []},
)
GUEST = Resource(
    "/api/v1/guests",
    "guest_id",
    "name",
    {
        "name": "Inès Moreau",
        "bio": "Cuts coats in Lyon",
        "email": "ines@atelier.example",
        "social_links": {"web": "https://atelier.example"},
        "tags": ["tailor"],
    },
    {"bio": None, "photo_reference": "https://pictures.example/ines.jpg", "email": "studio@atelier.example"},
    {"name": "", "email": "nobody", "social_links": "none", "bio": ["cuts"]},
)
RESOURCES = (SHOW, EPISODE, CLIP, OUTFIT, UI_ELEMENT, BACKGROUND, COMPONENT, GUEST)
LINKED = tuple(resource for resource in RESOURCES if CATALOG[resource.name].links)
INGESTED = tuple(resource for resource in RESOURCES if CATALOG[resource.name].files)


def create(client: httpx2.Client, resource: Resource, **fields: Any) -> dict[str, Any]:
    """A new row of the resource."""
    answer = client.post(resource.path, json=resource.body(client) | fields)
    assert answer.status_code == httpx2.codes.CREATED, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data
