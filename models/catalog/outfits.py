"""Outfits: what somebody wears."""

from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from msgspec import UNSET, UnsetType

from models.catalog.link_table import OF_SHOW, Link, LinkedEpisode, LinkTable, NewLink
from models.catalog.resource import File, Resource, Searched
from models.db.fields import Json, Label, Name, ReferenceText, Tagged, Tags, Text
from models.db.table import Entity, Table


class Outfit(Entity):
    """A row of ``outfits``."""

    outfit_id: UUID
    name: str
    description: str | None
    top: Json | None
    bottom: Json | None
    shoes: Json | None
    accessories: list[Json]
    brand: str | None
    season: str | None
    occasion: str | None
    image_reference: str | None
    tags: list[str]
    usage_count: int
    last_used_at: datetime | None


class NewOutfit(Tagged, forbid_unknown_fields=True):
    """What a client says of a new outfit."""

    name: Name
    description: Text | None = None
    top: Json | None = None
    bottom: Json | None = None
    shoes: Json | None = None
    accessories: list[Json] | UnsetType = UNSET
    brand: Name | None = None
    season: Label | None = None
    occasion: Label | None = None
    image_reference: ReferenceText | None = None
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


class OutfitPatch(Tagged, forbid_unknown_fields=True):
    """What a client changes of an outfit."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    top: Json | UnsetType | None = UNSET
    bottom: Json | UnsetType | None = UNSET
    shoes: Json | UnsetType | None = UNSET
    accessories: list[Json] | UnsetType = UNSET
    brand: Name | UnsetType | None = UNSET
    season: Label | UnsetType | None = UNSET
    occasion: Label | UnsetType | None = UNSET
    image_reference: ReferenceText | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET


# In an episode that is not deleted, as all links are seen.
WORN_BY: Final[LiteralString] = """
    outfit_id in (select outfit_id from episode_outfits join episodes using (episode_id)
                  where worn_by = %(worn_by)s and episodes.deleted_at is null)
"""
OUTFITS: Final = Table(
    "outfits",
    Outfit,
    key="outfit_id",
    title="name",
    filters={
        "tag": "tags @> %(tag)s",
        "brand": "brand = %(brand)s",
        "season": "season = %(season)s",
        "occasion": "occasion = %(occasion)s",
        "top": "top @> %(top)s",
        "bottom": "bottom @> %(bottom)s",
        "shoes": "shoes @> %(shoes)s",
        "accessories": "accessories @> %(accessories)s",
        "worn_by": WORN_BY,
        "show_id": "outfit_id in (select outfit_id from episode_outfits" + OF_SHOW,
    },
)


class OutfitLink(Link):
    """A row of ``episode_outfits``."""

    outfit_id: UUID
    worn_by: str | None


class NewOutfitLink(NewLink):
    """What a client says of an outfit in an episode."""

    worn_by: Name | None = None


class LinkedOutfit(Outfit):
    """An outfit as a list of an episode's shows it."""

    usage_context: str | None
    notes: str | None
    position: int
    linked_at: datetime
    linked_by: str
    worn_by: str | None


class EpisodeOfOutfit(LinkedEpisode):
    """An episode as a list of an outfit's shows it."""

    worn_by: str | None


OUTFITS_OF_EPISODES: Final = LinkTable(
    "episode_outfits",
    OutfitLink,
    NewOutfitLink,
    things=OUTFITS,
    of_episode=LinkedOutfit,
    of_thing=EpisodeOfOutfit,
)
RESOURCE: Final = Resource(
    table=OUTFITS,
    new=NewOutfit,
    patch=OutfitPatch,
    links=OUTFITS_OF_EPISODES,
    search=Searched(
        rest="concat_ws(' ', it.brand, it.season, it.occasion,"
        " words(it.top), words(it.bottom), words(it.shoes), words(it.accessories),"
        " (select string_agg(distinct worn_by, ' ') from episode_outfits as link where link.outfit_id = it.outfit_id))"
    ),
    files={"primary": File("image_reference")},
)
