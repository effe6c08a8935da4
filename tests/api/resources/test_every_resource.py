"""What holds for every resource."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from models.catalog import CATALOG
from tests.resources import (
    CLIP,
    EPISODE,
    LINKED,
    OUTFIT,
    RESOURCES,
    SHOW,
    Resource,
    create,
)
from tests.stack import Stack
from tests.work import storage

every = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path.rsplit("/", 1)[1])


def errors(answer: httpx2.Response) -> set[tuple[str, str | None]]:
    """Code and field of each error."""
    return {(error["code"], error.get("field")) for error in answer.json()["errors"]}


def said(answer: httpx2.Response) -> str:
    """The message of the first error."""
    message: str = answer.json()["errors"][0]["message"]
    return message


@every
def test_a_new_row_has_its_fields_a_location_and_a_tag(editor: httpx2.Client, resource: Resource) -> None:
    body = resource.body(editor)
    answer = editor.post(resource.path, json=body)
    row = answer.json()["data"]
    assert answer.status_code == 201
    assert {name: row[name] for name in body} == body
    assert (row["version"], row["created_by"], row["deleted_at"]) == (1, "tester", None)
    assert answer.headers["Location"] == f"{resource.path}/{row[resource.key]}"
    assert answer.headers["ETag"] == '"1"'
    again = editor.get(answer.headers["Location"])
    assert again.json()["data"] == row
    assert again.headers["ETag"] == '"1"'


@every
def test_a_patch_changes_only_what_is_sent_and_null_clears(editor: httpx2.Client, resource: Resource) -> None:
    row = create(editor, resource)
    answer = editor.patch(f"{resource.path}/{row[resource.key]}", json=resource.patch)
    changed = answer.json()["data"]
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2"'
    expected = row | resource.patch | {"version": 2, "updated_at": changed["updated_at"]}
    assert changed == expected
    assert changed["updated_at"] > row["updated_at"]


@every
def test_an_empty_patch_changes_nothing(editor: httpx2.Client, resource: Resource) -> None:
    row = create(editor, resource)
    assert editor.patch(f"{resource.path}/{row[resource.key]}", json={}).json()["data"] == row


@every
def test_each_wrong_field_is_named(editor: httpx2.Client, resource: Resource) -> None:
    answer = editor.post(resource.path, json=resource.body(editor) | resource.wrong | {"surprise": 1})
    assert answer.status_code == 400
    named = {(field or "").partition("[")[0] for _, field in errors(answer)}
    assert named == {*resource.wrong, "surprise"}
    assert {code for code, _ in errors(answer)} == {"VALIDATION_ERROR"}


@every
@pytest.mark.parametrize("blank", ["", " ", " \t\n", "\u3000"])
def test_a_name_or_title_of_nothing_but_spaces_is_named(editor: httpx2.Client, resource: Resource, blank: str) -> None:
    answer = editor.post(resource.path, json=resource.body(editor) | {resource.title: blank})
    assert (answer.status_code, errors(answer)) == (400, {("VALIDATION_ERROR", resource.title)})
    path = f"{resource.path}/{create(editor, resource)[resource.key]}"
    assert errors(editor.patch(path, json={resource.title: blank})) == {("VALIDATION_ERROR", resource.title)}


REFERENCES = [
    (resource, column)
    for resource in RESOURCES
    for column in CATALOG[resource.name].references
    if column in CATALOG[resource.name].new.__struct_fields__  # of the others the pipeline takes care
]


@pytest.mark.parametrize(("resource", "name"), REFERENCES, ids=[name for _, name in REFERENCES])
def test_a_reference_to_nothing_is_null_and_not_empty(editor: httpx2.Client, resource: Resource, name: str) -> None:
    answer = editor.post(resource.path, json=resource.body(editor) | {name: ""})
    assert (answer.status_code, errors(answer)) == (400, {("VALIDATION_ERROR", name)})
    path = f"{resource.path}/{create(editor, resource, **{name: 'https://pictures.example/a'})[resource.key]}"
    assert errors(editor.patch(path, json={name: ""})) == {("VALIDATION_ERROR", name)}
    assert editor.patch(path, json={name: None}).json()["data"][name] is None


ADDRESSES = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,<script>",
    "http://studio.example/a.jpg",
    "HTTP://studio.example",
    "//studio.example/a.jpg",
    "ftp://studio.example/a",
    "file:///etc/passwd",
    "vbscript:x",
    "a.jpg",
    " https://studio.example/a",
    "https:/studio.example",
    "https://",
    "https:// studio.example/a",
    "https://us:er@studio.example/a",
    "https://studio.example\\@evil.example",
    "https://studio.example/a b",
    "https://studio.example/a\n",
    "https://studio.example/\u0007",
    "s3://bucket/of/others.jpg",
    "s3://episodes-media",
    "s3://episodes-media/",
    "s3://episodes-media/../a",
    "s3://episodes-media/a\u202e\u0007",
    "s3:///a",
    "S3://episodes-media/a",
    "x" * 1025,
]


@pytest.mark.parametrize(("resource", "name"), REFERENCES, ids=[name for _, name in REFERENCES])
def test_a_reference_names_an_object_of_ours_or_an_https_address(
    server: Stack, editor: httpx2.Client, resource: Resource, name: str
) -> None:
    row = create(editor, resource)
    path = f"{resource.path}/{row[resource.key]}"
    for wrong in ADDRESSES:
        assert errors(editor.patch(path, json={name: wrong})) == {("VALIDATION_ERROR", name)}, wrong
    assert errors(editor.post(resource.path, json=resource.body(editor) | {name: ADDRESSES[0]})) == {
        ("VALIDATION_ERROR", name)
    }
    for bucket, key in (("episodes-media", "a b/é.jpg"), ("episodes-thumbnails", "a")):
        storage(server.environ).put_object(Bucket=bucket, Key=key, Body=b"a")
    for right in ("s3://episodes-media/a b/é.jpg", "s3://episodes-thumbnails/a", "https://studio.example:8443/é?x=1#y"):
        answer = editor.patch(path, json={name: right})
        assert (answer.status_code, answer.json()["data"][name]) == (200, right)


def test_a_reference_to_an_object_that_is_not_there_is_named(server: Stack, editor: httpx2.Client) -> None:
    key = f"outfit/{uuid4()}.jpg"
    reference = f"s3://episodes-media/{key}"
    body = {"name": "Camel coat look", "image_reference": reference}
    headers = {"Idempotency-Key": uuid4().hex}
    refused = editor.post(OUTFIT.path, json=body, headers=headers)
    assert (refused.status_code, errors(refused)) == (400, {("VALIDATION_ERROR", "image_reference")})
    assert said(refused) == f"there is no object {reference}: upload it first"
    storage(server.environ).put_object(Bucket="episodes-media", Key=key, Body=b"look")
    made = editor.post(OUTFIT.path, json=body, headers=headers)
    assert made.status_code == 201
    storage(server.environ).delete_object(Bucket="episodes-media", Key=key)
    assert editor.post(OUTFIT.path, json=body, headers=headers).json() == made.json()
    for gone in (reference, f"s3://episodes-media/{'s' * 1004}", "s3://episodes-media/a/b%2Fc?d#e"):
        answer = editor.patch(made.headers["Location"], json={"image_reference": gone})
        assert (answer.status_code, errors(answer)) == (400, {("VALIDATION_ERROR", "image_reference")})


def test_a_reference_of_old_does_not_stand_in_the_way_of_other_changes(server: Stack, editor: httpx2.Client) -> None:
    outfit = create(editor, OUTFIT)["outfit_id"]
    server.sql("update outfits set image_reference = 'http://old.example/a' where outfit_id = %s", outfit)
    answer = editor.patch(f"{OUTFIT.path}/{outfit}", json={"description": "as it was"})
    assert (answer.status_code, answer.json()["data"]["image_reference"]) == (200, "http://old.example/a")


@every
def test_a_missing_required_field_is_named(editor: httpx2.Client, resource: Resource) -> None:
    answer = editor.post(resource.path, json={})
    assert ("VALIDATION_ERROR", resource.title) in errors(answer)


@every
def test_a_change_that_saw_an_older_version_is_refused(editor: httpx2.Client, resource: Resource) -> None:
    path = f"{resource.path}/{create(editor, resource)[resource.key]}"
    stale = {"If-Match": '"1"'}
    assert editor.patch(path, json=resource.patch, headers=stale).status_code == 200
    answer = editor.patch(path, json=resource.patch, headers=stale)
    assert answer.status_code == 412
    assert errors(answer) == {("PRECONDITION_FAILED", None)}
    assert editor.delete(path, headers=stale).status_code == 412
    assert editor.delete(path, headers={"If-Match": '"nonsense"'}).status_code == 412
    assert editor.delete(path, headers={"If-Match": '"2"'}).status_code == 204


@every
def test_a_list_walks_by_cursor_while_rows_are_added(editor: httpx2.Client, resource: Resource) -> None:
    made = [create(editor, resource)[resource.key] for _ in range(5)]
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2, "sort": "-created_at"}
    while True:
        page = editor.get(resource.path, params=params).json()
        seen += [row[resource.key] for row in page["data"]]
        create(editor, resource)
        params["cursor"] = page["metadata"]["pagination"]["nextCursor"]
        if set(made) <= set(seen) or params["cursor"] is None:
            break
    assert len(seen) == len(set(seen))
    assert [key for key in seen if key in made] == list(reversed(made))


@every
def test_a_list_sorts_by_its_columns_and_no_others(editor: httpx2.Client, resource: Resource) -> None:
    for sort in ("created_at", "-updated_at", resource.title, f"-{resource.title}"):
        column = sort.removeprefix("-")
        rows = editor.get(resource.path, params={"sort": sort, "limit": 100}).json()["data"]
        values = [row[column] for row in rows]
        assert values == sorted(values, reverse=sort.startswith("-"))
    answer = editor.get(resource.path, params={"sort": "version"})
    assert errors(answer) == {("VALIDATION_ERROR", "sort")}


@every
def test_a_list_finds_text_in_titles_without_accents(editor: httpx2.Client, resource: Resource) -> None:
    word = uuid4().hex
    made = create(editor, resource, **{resource.title: f"Défilé {word} 100%"})
    found = editor.get(resource.path, params={"q": f"defile {word} 100%"}).json()
    assert [row[resource.key] for row in found["data"]] == [made[resource.key]]
    assert found["metadata"]["pagination"] == {"limit": 50, "total": 1, "nextCursor": None}
    assert editor.get(resource.path, params={"q": f"{word}%%"}).json()["data"] == []


@every
@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        (
            {"cursor": "WyItY3JlYXRlZF9hdCIsIm5vIGRhdGUiLCIwMWEyMDMzOC02YTM4LTdiMzgtOTQyYy03ZDNkZDc1NzE0N2UiXQ"},
            "cursor",
        ),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_parameter_is_named(
    editor: httpx2.Client, resource: Resource, params: dict[str, Any], field: str
) -> None:
    answer = editor.get(resource.path, params=params)
    assert answer.status_code == 400
    assert errors(answer) == {("VALIDATION_ERROR", field)}


@every
def test_what_was_never_there_is_not_found(editor: httpx2.Client, admin: httpx2.Client, resource: Resource) -> None:
    path = f"{resource.path}/{uuid4()}"
    assert editor.get(path).status_code == 404
    assert editor.patch(path, json=resource.patch).status_code == 404
    assert editor.delete(path).status_code == 404
    assert admin.post(f"{path}/restore").status_code == 404
    assert editor.get(f"{path}/thumbnails").status_code == 404
    assert errors(editor.get(f"{resource.path}/not-an-id")) == {("VALIDATION_ERROR", resource.key)}


def test_a_name_is_taken_among_the_living_only(editor: httpx2.Client, admin: httpx2.Client) -> None:
    name = f"One and only {uuid4()}"
    first = create(editor, SHOW, name=name)
    clash = editor.post(SHOW.path, json={"name": name})
    assert clash.status_code == 409
    assert errors(clash) == {("CONFLICT", "name")}
    assert said(clash) == f"show {first['show_id']} has the same name"
    other = f"{SHOW.path}/{create(editor, SHOW)['show_id']}"
    change = editor.patch(other, json={"name": name})
    assert (errors(change), said(change)) == ({("CONFLICT", "name")}, said(clash))
    editor.delete(f"{SHOW.path}/{first['show_id']}")
    create(editor, SHOW, name=name)
    back = admin.post(f"{SHOW.path}/{first['show_id']}/restore")
    assert back.status_code == 409
    assert errors(back) == {("CONFLICT", "name")}


def test_an_episode_number_is_taken_within_its_season(editor: httpx2.Client) -> None:
    first = create(editor, EPISODE)
    same = {name: first[name] for name in ("show_id", "season_number", "episode_number", "title")}
    rival = f"episode {first['episode_id']} has the same show_id, season_number, episode_number"
    for headers in ({}, {"Idempotency-Key": uuid4().hex}):
        clash = editor.post(EPISODE.path, json=same, headers=headers)
        assert (errors(clash), said(clash)) == ({("CONFLICT", "episode_number")}, rival)
    del same["season_number"]
    second = create(editor, EPISODE, show_id=first["show_id"], season_number=1)
    assert second["episode_id"] in said(editor.post(EPISODE.path, json=same))
    change = editor.patch(f"{EPISODE.path}/{second['episode_id']}", json={"season_number": first["season_number"]})
    assert (errors(change), said(change)) == ({("CONFLICT", "episode_number")}, rival)
    same["season_number"] = first["season_number"]
    assert editor.post(EPISODE.path, json=same | {"season_number": 3}).status_code == 201


def test_a_reference_to_something_missing_or_deleted_is_named(editor: httpx2.Client) -> None:
    episode = create(editor, EPISODE)
    editor.delete(f"{EPISODE.path}/{episode['episode_id']}")
    for missing in (episode["episode_id"], str(uuid4())):
        answer = editor.post(CLIP.path, json={"title": "Stray", "episode_id": missing})
        assert answer.status_code == 400
        assert errors(answer) == {("VALIDATION_ERROR", "episode_id")}
    clip = create(editor, CLIP)
    answer = editor.patch(f"{CLIP.path}/{clip['clip_id']}", json={"episode_id": str(uuid4())})
    assert errors(answer) == {("VALIDATION_ERROR", "episode_id")}


def test_filters_narrow_a_list(editor: httpx2.Client) -> None:
    tags = [uuid4().hex, uuid4().hex]
    episode = create(editor, EPISODE, tags=tags)
    found = editor.get(
        EPISODE.path, params={"tag": tags, "show_id": episode["show_id"], "publish_date_from": "2026-03-01"}
    )
    assert [row["episode_id"] for row in found.json()["data"]] == [episode["episode_id"]]
    assert editor.get(EPISODE.path, params={"tag": [*tags, "other"]}).json()["data"] == []
    assert editor.get(EPISODE.path, params={"tag": tags, "publish_date_to": "2026-02-01"}).json()["data"] == []
    clip = create(editor, CLIP, tags=tags, episode_id=episode["episode_id"])
    assert len(editor.get(CLIP.path, params={"tag": tags[0], "unassigned": False}).json()["data"]) == 1
    assert editor.get(CLIP.path, params={"tag": tags[0], "unassigned": True}).json()["data"] == []
    assert editor.get(CLIP.path, params={"episode_id": clip["episode_id"]}).json()["data"][0] == clip


def test_outfits_are_found_by_what_they_contain(editor: httpx2.Client) -> None:
    mark = uuid4().hex
    outfit = create(
        editor, RESOURCES[3], top={"item": "coat", "mark": mark}, accessories=[{"item": "belt", "mark": mark}]
    )
    for params in ({"top": f'{{"mark":"{mark}"}}'}, {"accessories": f'[{{"mark":"{mark}"}}]'}):
        found = editor.get("/api/v1/outfits", params=params).json()["data"]
        assert [row["outfit_id"] for row in found] == [outfit["outfit_id"]]
    assert errors(editor.get("/api/v1/outfits", params={"top": "{"})) == {("VALIDATION_ERROR", "top")}


@every
def test_an_editor_restores_what_the_same_editor_deleted_and_nothing_else(
    server: Stack, editor: httpx2.Client, resource: Resource
) -> None:
    path = f"{resource.path}/{create(editor, resource)[resource.key]}"
    editor.delete(path)
    with server.client("editor", "somebody") as other:
        refused = other.post(f"{path}/restore")
    assert (refused.status_code, errors(refused)) == (403, {("FORBIDDEN", None)})
    assert "only an admin restores it" in said(refused)
    back = editor.post(f"{path}/restore")
    assert (back.status_code, back.json()["data"]["restored_by"]) == (200, "tester")
    assert editor.post(f"{path}/restore").status_code == 409


@every
def test_a_list_tells_what_is_new_since_a_time(editor: httpx2.Client, resource: Resource) -> None:
    old, new = (create(editor, resource) for _ in range(2))
    key = resource.key

    def since(**times: str) -> set[str]:
        rows = editor.get(resource.path, params={"limit": 100, **times}).json()["data"]
        return {row[key] for row in rows} & {old[key], new[key]}

    assert since(created_after=new["created_at"]) == {new[key]}
    changed = editor.patch(f"{resource.path}/{old[key]}", json=resource.patch).json()["data"]
    assert since(updated_after=changed["updated_at"]) == {old[key]}
    assert since(updated_after=new["updated_at"]) == {old[key], new[key]}
    wrong = editor.get(resource.path, params={"updated_after": "1700000000"})
    assert errors(wrong) == {("VALIDATION_ERROR", "updated_after")}


def test_a_filter_with_several_values_finds_what_has_any_of_them(editor: httpx2.Client) -> None:
    tag = uuid4().hex
    made = {quality: create(editor, CLIP, quality=quality, tags=[tag])["clip_id"] for quality in ("hero", "good")}
    create(editor, CLIP, quality="maybe", tags=[tag])

    def found(**params: Any) -> set[str]:
        return {row["clip_id"] for row in editor.get(CLIP.path, params={"tag": tag, **params}).json()["data"]}

    assert found(quality=["hero", "good"]) == set(made.values())
    assert found(quality=["hero"]) == found(quality="hero") == {made["hero"]}
    assert found(quality=["reject", "hero"], status=["approved", "pending_review"]) == {made["hero"]}
    total = editor.get(CLIP.path, params={"tag": tag, "quality": ["good", "maybe"]}).json()["metadata"]["pagination"]
    assert total["total"] == 2


@pytest.mark.parametrize(
    ("resource", "params", "field"),
    [
        (CLIP, {"quality": ["hero", "best"]}, "quality"),
        (CLIP, {"episode_id": [str(uuid4()), uuid4().hex]}, "episode_id"),
        (EPISODE, {"season_number": ["1", "1.0"]}, "season_number"),
        (EPISODE, {"season_number": ["1", "two"]}, "season_number"),
        (EPISODE, {"show_id": ["null"]}, "show_id"),
    ],
)
def test_a_wrong_one_of_several_values_is_named(
    editor: httpx2.Client, resource: Resource, params: dict[str, Any], field: str
) -> None:
    answer = editor.get(resource.path, params=params)
    assert (answer.status_code, {name for _, name in errors(answer)}) == (400, {field})


def test_clips_are_found_by_their_show(editor: httpx2.Client) -> None:
    episode, other = create(editor, EPISODE), create(editor, EPISODE)
    clip, second = (create(editor, CLIP, episode_id=one["episode_id"])["clip_id"] for one in (episode, other))
    shows = [episode["show_id"], other["show_id"]]
    assert [row["clip_id"] for row in editor.get(CLIP.path, params={"show_id": shows[0]}).json()["data"]] == [clip]
    both = editor.get(CLIP.path, params={"show_id": shows}).json()["data"]
    assert {row["clip_id"] for row in both} == {clip, second}


@pytest.mark.parametrize("resource", LINKED, ids=lambda resource: resource.path.rsplit("/", 1)[1])
def test_what_an_episode_shows_is_found_by_its_show(editor: httpx2.Client, resource: Resource) -> None:
    episode, thing = create(editor, EPISODE), create(editor, resource)[resource.key]
    create(editor, resource)
    link = f"{EPISODE.path}/{episode['episode_id']}/{resource.path.rsplit('/', 1)[1]}/{thing}"
    editor.put(link, json={}).raise_for_status()
    params = {"show_id": episode["show_id"]}
    assert [row[resource.key] for row in editor.get(resource.path, params=params).json()["data"]] == [thing]
    editor.delete(f"{EPISODE.path}/{episode['episode_id']}")
    assert editor.get(resource.path, params=params).json()["data"] == []


def test_outfits_are_found_by_who_wears_them(editor: httpx2.Client) -> None:
    episode, names = create(editor, EPISODE)["episode_id"], [f"Lala {uuid4()}", f"Inès {uuid4()}"]
    made = [create(editor, OUTFIT)["outfit_id"] for _ in names]
    for outfit, name in zip(made, names, strict=True):
        editor.put(f"{EPISODE.path}/{episode}/outfits/{outfit}", json={"worn_by": name}).raise_for_status()

    def worn(*by: str) -> set[str]:
        return {row["outfit_id"] for row in editor.get(OUTFIT.path, params={"worn_by": list(by)}).json()["data"]}

    assert (worn(names[0]), worn(*names), worn("nobody at all")) == ({made[0]}, set(made), set())
