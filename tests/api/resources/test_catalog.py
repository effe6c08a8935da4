"""What differs between UI elements, backgrounds, components and guests: their kinds, their texts, their files."""

from uuid import uuid4

import httpx2
import pytest

from tests import media, work
from tests.eventually import eventually
from tests.resources import BACKGROUND, COMPONENT, GUEST, UI_ELEMENT, Resource, create

NEW = (UI_ELEMENT, BACKGROUND, COMPONENT, GUEST)
KINDS = ((UI_ELEMENT, "element_type"), (BACKGROUND, "background_type"), (COMPONENT, "component_type"))


def ids(client: httpx2.Client, resource: Resource, **params: str | list[str]) -> list[str]:
    """What a filtered list holds."""
    return [row[resource.key] for row in client.get(resource.path, params=params).json()["data"]]


def word() -> str:
    """A word that nothing else has."""
    return "q" + uuid4().hex.translate(str.maketrans("0123456789", "ghijklmnop"))


def found(client: httpx2.Client, q: str, **params: str) -> list[str]:
    """What a search finds."""
    hits = client.get("/api/v1/search", params={"q": q} | params).json()["data"]
    return [hit["entity_id"] for hit in hits]


@pytest.mark.parametrize(("resource", "field"), KINDS, ids=[field for _, field in KINDS])
def test_a_list_is_narrowed_by_kind_and_tags(editor: httpx2.Client, resource: Resource, field: str) -> None:
    mark = uuid4().hex
    made = create(editor, resource, tags=[mark, "own"])
    other = create(editor, resource, tags=[mark], **{field: "other"})
    assert ids(editor, resource, tag=mark, **{field: made[field]}) == [made[resource.key]]
    assert ids(editor, resource, tag=mark, **{field: "other"}) == [other[resource.key]]
    assert ids(editor, resource, tag=[mark, "own"]) == [made[resource.key]]
    assert editor.get(resource.path, params={field: "none"}).json()["errors"][0]["field"] == field


@pytest.mark.parametrize(("resource", "field"), KINDS, ids=[field for _, field in KINDS])
def test_the_kind_is_other_unless_somebody_says(editor: httpx2.Client, resource: Resource, field: str) -> None:
    row = editor.post(resource.path, json={"name": "Plain"}).json()["data"]
    assert (row[field], row["file_reference"], row["tags"], row["metadata"]) == ("other", None, [], {})


def test_a_guest_is_found_by_tag_and_by_words_of_the_bio(editor: httpx2.Client) -> None:
    mark = uuid4().hex
    guest = create(editor, GUEST, bio=f"Teintures végétales {mark}", tags=[mark])["guest_id"]
    assert ids(editor, GUEST, tag=mark) == [guest]
    assert ids(editor, GUEST, q=f"vegetales {mark}") == [guest]
    assert editor.patch(f"{GUEST.path}/{guest}", json={"description": "x"}).status_code == 400


@pytest.mark.parametrize("email", ["nobody", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\n", f"{'a' * 250}@b.example"])
def test_what_is_no_email_address_is_refused(editor: httpx2.Client, email: str) -> None:
    answer = editor.post(GUEST.path, json={"name": "Guest", "email": email})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "email")


@pytest.mark.parametrize("resource", NEW, ids=lambda resource: resource.key)
def test_each_takes_a_picture_and_shows_it(editor: httpx2.Client, resource: Resource) -> None:
    entity_type = resource.key.removesuffix("_id")
    key = create(editor, resource)[resource.key]
    reference = work.upload(editor, work.unique(media.jpeg()), entity_type=entity_type)
    job = work.ended(editor, work.post(editor, reference, key, entity_type=entity_type))
    assert (job["status"], job["error"]) == ("succeeded", None)
    row = work.entity(editor, resource, key)
    assert row["photo_reference" if resource is GUEST else "file_reference"] == reference
    pictures = editor.get(f"{resource.path}/{key}/thumbnails").json()["data"]
    assert [picture["size_variant"] for picture in pictures] == ["primary", "medium", "small"]
    assert all(f"/{entity_type}s/{key}/" in picture["file_reference"] for picture in pictures)


@pytest.mark.parametrize("resource", NEW, ids=lambda resource: resource.key)
def test_each_is_found_by_its_words_and_kind_until_it_is_deleted(
    editor: httpx2.Client, admin: httpx2.Client, resource: Resource
) -> None:
    mark, kind = word(), resource.key.removesuffix("_id")
    about = "bio" if resource is GUEST else "description"
    key = create(editor, resource, **{about: f"Known for {mark}"})[resource.key]
    eventually(lambda: found(editor, mark, type=kind) == [key], 2)
    editor.delete(f"{resource.path}/{key}")
    eventually(lambda: found(editor, mark, type=kind) == [], 2)
    admin.post(f"{resource.path}/{key}/restore")
    eventually(lambda: found(editor, mark, type=kind) == [key], 2)


def test_components_and_guests_are_found_inside_their_objects(editor: httpx2.Client) -> None:
    first, second = word(), word()
    component = create(editor, COMPONENT, config={"layers": [{"text": first}]})["component_id"]
    guest = create(editor, GUEST, social_links={"web": f"about {second}"})["guest_id"]
    eventually(lambda: found(editor, first) == [component], 2)
    eventually(lambda: found(editor, second) == [guest], 2)
