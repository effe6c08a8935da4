"""What an episode shows: its outfits, UI elements, backgrounds, components and guests."""

from datetime import datetime
from typing import Final
from uuid import UUID

from models.catalog.backgrounds import BACKGROUNDS, Background
from models.catalog.components import COMPONENTS, Component
from models.catalog.episodes import Episode
from models.catalog.guests import GUESTS, Guest
from models.catalog.link_table import Link, LinkTable, NewLink
from models.catalog.outfits import OUTFITS, Outfit
from models.catalog.ui_elements import UI_ELEMENTS, UiElement
from models.db.fields import Moment, Name
from models.errors import Invalid


class LinkedEpisode(Episode):
    """An episode as a list of one thing's shows it."""

    usage_context: str | None
    notes: str | None
    position: int
    linked_at: datetime
    linked_by: str


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


class UiElementLink(Link):
    """A row of ``episode_ui_elements``."""

    ui_element_id: UUID
    start_seconds: float | None
    end_seconds: float | None


class NewUiElementLink(NewLink):
    """What a client says of a UI element in an episode."""

    start_seconds: Moment | None = None
    end_seconds: Moment | None = None

    def check(self) -> None:
        """It ends no sooner than it starts.

        Raises:
            Invalid: naming ``end_seconds``.
        """
        if self.start_seconds is not None and self.end_seconds is not None and self.end_seconds < self.start_seconds:
            raise Invalid("this is before start_seconds", field="end_seconds")


class LinkedUiElement(UiElement):
    """A UI element as a list of an episode's shows it."""

    usage_context: str | None
    notes: str | None
    position: int
    linked_at: datetime
    linked_by: str
    start_seconds: float | None
    end_seconds: float | None


class EpisodeOfUiElement(LinkedEpisode):
    """An episode as a list of a UI element's shows it."""

    start_seconds: float | None
    end_seconds: float | None


UI_ELEMENTS_OF_EPISODES: Final = LinkTable(
    "episode_ui_elements",
    UiElementLink,
    NewUiElementLink,
    things=UI_ELEMENTS,
    of_episode=LinkedUiElement,
    of_thing=EpisodeOfUiElement,
)


class BackgroundLink(Link):
    """A row of ``episode_backgrounds``."""

    background_id: UUID


class LinkedBackground(Background):
    """A background as a list of an episode's shows it."""

    usage_context: str | None
    notes: str | None
    position: int
    linked_at: datetime
    linked_by: str


BACKGROUNDS_OF_EPISODES: Final = LinkTable(
    "episode_backgrounds",
    BackgroundLink,
    NewLink,
    things=BACKGROUNDS,
    of_episode=LinkedBackground,
    of_thing=LinkedEpisode,
)


class ComponentLink(Link):
    """A row of ``episode_components``."""

    component_id: UUID


class LinkedComponent(Component):
    """A component as a list of an episode's shows it."""

    usage_context: str | None
    notes: str | None
    position: int
    linked_at: datetime
    linked_by: str


COMPONENTS_OF_EPISODES: Final = LinkTable(
    "episode_components",
    ComponentLink,
    NewLink,
    things=COMPONENTS,
    of_episode=LinkedComponent,
    of_thing=LinkedEpisode,
)


class GuestLink(Link):
    """A row of ``episode_guests``."""

    guest_id: UUID


class LinkedGuest(Guest):
    """A guest as a list of an episode's shows it."""

    usage_context: str | None
    notes: str | None
    position: int
    linked_at: datetime
    linked_by: str


GUESTS_OF_EPISODES: Final = LinkTable(
    "episode_guests",
    GuestLink,
    NewLink,
    things=GUESTS,
    of_episode=LinkedGuest,
    of_thing=LinkedEpisode,
)
