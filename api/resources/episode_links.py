"""Links: what an episode shows, and which episodes show a thing."""

from typing import TypeVar

from litestar import Controller, Response, delete, get, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.dependencies import Db, Expected, Who
from api.http.envelope import Data, Listing, page_of
from api.http.json_response import JsonResponse
from api.http.parameters import Id
from api.resources.audit import Cursor, Limit
from models.catalog.episode_links import (
    BACKGROUNDS_OF_EPISODES,
    COMPONENTS_OF_EPISODES,
    GUESTS_OF_EPISODES,
    OUTFITS_OF_EPISODES,
    UI_ELEMENTS_OF_EPISODES,
    BackgroundLink,
    ComponentLink,
    EpisodeOfOutfit,
    EpisodeOfUiElement,
    GuestLink,
    LinkedBackground,
    LinkedComponent,
    LinkedEpisode,
    LinkedGuest,
    LinkedOutfit,
    LinkedUiElement,
    NewOutfitLink,
    NewUiElementLink,
    OutfitLink,
    UiElementLink,
)
from models.catalog.link_table import Link, NewLink, Pair, Window

L = TypeVar("L", bound=Link)


class OutfitLinkController(Controller):
    """The outfits of episodes."""

    path = "/api/v1"
    tags = ("links",)

    @get("/episodes/{episode_id:str}/outfits", summary="List the outfits of an episode")
    async def list_outfits_of_episode(
        self, db: Db, episode_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedOutfit]:
        return page_of(await OUTFITS_OF_EPISODES.page_of_episode(db, episode_id, Window(limit, cursor)))

    @get("/outfits/{outfit_id:str}/episodes", summary="List the episodes of an outfit")
    async def list_episodes_of_outfit(
        self, db: Db, outfit_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[EpisodeOfOutfit]:
        return page_of(await OUTFITS_OF_EPISODES.page_of_thing(db, outfit_id, Window(limit, cursor)))

    @put(
        "/episodes/{episode_id:str}/outfits/{outfit_id:str}",
        summary="Link an outfit to an episode, or replace what the link says",
        responses={201: ResponseSpec(Data[OutfitLink], description="The link is new")},
    )
    async def put_outfit_link(
        self, db: Db, who: Who, episode_id: Id, outfit_id: Id, data: JSONBody[NewOutfitLink], expected: Expected
    ) -> Response[Data[OutfitLink]]:
        return _put(await OUTFITS_OF_EPISODES.put(db, who, Pair(episode_id, outfit_id), data, expected))

    @delete("/episodes/{episode_id:str}/outfits/{outfit_id:str}", summary="Unlink an outfit from an episode")
    async def delete_outfit_link(self, db: Db, who: Who, episode_id: Id, outfit_id: Id, expected: Expected) -> None:
        await OUTFITS_OF_EPISODES.remove(db, who, Pair(episode_id, outfit_id), expected)


class UiElementLinkController(Controller):
    """The UI elements of episodes."""

    path = "/api/v1"
    tags = ("links",)

    @get("/episodes/{episode_id:str}/ui-elements", summary="List the UI elements of an episode")
    async def list_ui_elements_of_episode(
        self, db: Db, episode_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedUiElement]:
        return page_of(await UI_ELEMENTS_OF_EPISODES.page_of_episode(db, episode_id, Window(limit, cursor)))

    @get("/ui-elements/{ui_element_id:str}/episodes", summary="List the episodes of a UI element")
    async def list_episodes_of_ui_element(
        self, db: Db, ui_element_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[EpisodeOfUiElement]:
        return page_of(await UI_ELEMENTS_OF_EPISODES.page_of_thing(db, ui_element_id, Window(limit, cursor)))

    @put(
        "/episodes/{episode_id:str}/ui-elements/{ui_element_id:str}",
        summary="Link a UI element to an episode, or replace what the link says",
        responses={201: ResponseSpec(Data[UiElementLink], description="The link is new")},
    )
    async def put_ui_element_link(
        self, db: Db, who: Who, episode_id: Id, ui_element_id: Id, data: JSONBody[NewUiElementLink], expected: Expected
    ) -> Response[Data[UiElementLink]]:
        data.check()
        return _put(await UI_ELEMENTS_OF_EPISODES.put(db, who, Pair(episode_id, ui_element_id), data, expected))

    @delete("/episodes/{episode_id:str}/ui-elements/{ui_element_id:str}", summary="Unlink a UI element from an episode")
    async def delete_ui_element_link(
        self, db: Db, who: Who, episode_id: Id, ui_element_id: Id, expected: Expected
    ) -> None:
        await UI_ELEMENTS_OF_EPISODES.remove(db, who, Pair(episode_id, ui_element_id), expected)


class BackgroundLinkController(Controller):
    """The backgrounds of episodes."""

    path = "/api/v1"
    tags = ("links",)

    @get("/episodes/{episode_id:str}/backgrounds", summary="List the backgrounds of an episode")
    async def list_backgrounds_of_episode(
        self, db: Db, episode_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedBackground]:
        return page_of(await BACKGROUNDS_OF_EPISODES.page_of_episode(db, episode_id, Window(limit, cursor)))

    @get("/backgrounds/{background_id:str}/episodes", summary="List the episodes of a background")
    async def list_episodes_of_background(
        self, db: Db, background_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedEpisode]:
        return page_of(await BACKGROUNDS_OF_EPISODES.page_of_thing(db, background_id, Window(limit, cursor)))

    @put(
        "/episodes/{episode_id:str}/backgrounds/{background_id:str}",
        summary="Link a background to an episode, or replace what the link says",
        responses={201: ResponseSpec(Data[BackgroundLink], description="The link is new")},
    )
    async def put_background_link(
        self, db: Db, who: Who, episode_id: Id, background_id: Id, data: JSONBody[NewLink], expected: Expected
    ) -> Response[Data[BackgroundLink]]:
        return _put(await BACKGROUNDS_OF_EPISODES.put(db, who, Pair(episode_id, background_id), data, expected))

    @delete("/episodes/{episode_id:str}/backgrounds/{background_id:str}", summary="Unlink a background from an episode")
    async def delete_background_link(
        self, db: Db, who: Who, episode_id: Id, background_id: Id, expected: Expected
    ) -> None:
        await BACKGROUNDS_OF_EPISODES.remove(db, who, Pair(episode_id, background_id), expected)


class ComponentLinkController(Controller):
    """The components of episodes."""

    path = "/api/v1"
    tags = ("links",)

    @get("/episodes/{episode_id:str}/components", summary="List the components of an episode")
    async def list_components_of_episode(
        self, db: Db, episode_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedComponent]:
        return page_of(await COMPONENTS_OF_EPISODES.page_of_episode(db, episode_id, Window(limit, cursor)))

    @get("/components/{component_id:str}/episodes", summary="List the episodes of a component")
    async def list_episodes_of_component(
        self, db: Db, component_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedEpisode]:
        return page_of(await COMPONENTS_OF_EPISODES.page_of_thing(db, component_id, Window(limit, cursor)))

    @put(
        "/episodes/{episode_id:str}/components/{component_id:str}",
        summary="Link a component to an episode, or replace what the link says",
        responses={201: ResponseSpec(Data[ComponentLink], description="The link is new")},
    )
    async def put_component_link(
        self, db: Db, who: Who, episode_id: Id, component_id: Id, data: JSONBody[NewLink], expected: Expected
    ) -> Response[Data[ComponentLink]]:
        return _put(await COMPONENTS_OF_EPISODES.put(db, who, Pair(episode_id, component_id), data, expected))

    @delete("/episodes/{episode_id:str}/components/{component_id:str}", summary="Unlink a component from an episode")
    async def delete_component_link(
        self, db: Db, who: Who, episode_id: Id, component_id: Id, expected: Expected
    ) -> None:
        await COMPONENTS_OF_EPISODES.remove(db, who, Pair(episode_id, component_id), expected)


class GuestLinkController(Controller):
    """The guests of episodes."""

    path = "/api/v1"
    tags = ("links",)

    @get("/episodes/{episode_id:str}/guests", summary="List the guests of an episode")
    async def list_guests_of_episode(
        self, db: Db, episode_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedGuest]:
        return page_of(await GUESTS_OF_EPISODES.page_of_episode(db, episode_id, Window(limit, cursor)))

    @get("/guests/{guest_id:str}/episodes", summary="List the episodes of a guest")
    async def list_episodes_of_guest(
        self, db: Db, guest_id: Id, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[LinkedEpisode]:
        return page_of(await GUESTS_OF_EPISODES.page_of_thing(db, guest_id, Window(limit, cursor)))

    @put(
        "/episodes/{episode_id:str}/guests/{guest_id:str}",
        summary="Link a guest to an episode, or replace what the link says",
        responses={201: ResponseSpec(Data[GuestLink], description="The link is new")},
    )
    async def put_guest_link(
        self, db: Db, who: Who, episode_id: Id, guest_id: Id, data: JSONBody[NewLink], expected: Expected
    ) -> Response[Data[GuestLink]]:
        return _put(await GUESTS_OF_EPISODES.put(db, who, Pair(episode_id, guest_id), data, expected))

    @delete("/episodes/{episode_id:str}/guests/{guest_id:str}", summary="Unlink a guest from an episode")
    async def delete_guest_link(self, db: Db, who: Who, episode_id: Id, guest_id: Id, expected: Expected) -> None:
        await GUESTS_OF_EPISODES.remove(db, who, Pair(episode_id, guest_id), expected)


def _put(made: tuple[L, bool]) -> Response[Data[L]]:
    link, new = made
    return JsonResponse(Data(link), status_code=201 if new else 200, headers={"ETag": f'"{link.version}"'})
