"""What a row, a body, a page and a record of a change may hold."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from models.db import json_bounds, page_sizes
from tests.resources import BACKGROUND, CLIP, COMPONENT, EPISODE, GUEST, OUTFIT, RESOURCES, Resource, create
from tests.stack import Stack

JSON = {"Content-Type": "application/json"}
DOCUMENTS = [
    *((resource, "metadata") for resource in RESOURCES),
    *((OUTFIT, field) for field in ("top", "bottom", "shoes", "accessories")),
    (COMPONENT, "config"),
    (GUEST, "social_links"),
]


def sized(size: int) -> Any:
    """An object of so many bytes as JSON."""
    return {"a": "é" * 100, "b": "x" * (size - len('{"a":"","b":""}') - 200)}


def keyed(keys: int) -> Any:
    """An object with so many keys in all."""
    return {"a": [{"b": 1, "c": ': "d": '}] * ((keys - 2) // 2), "e": {"f": 0} if keys % 2 else 0}


def deep(levels: int) -> Any:
    """Objects and arrays in each other."""
    value: Any = 0
    for level in range(levels):
        value = {"a": value} if (levels - level) % 2 else [value]
    return value


BOUNDS: dict[str, tuple[Callable[[int], Any], int]] = {
    "bytes": (sized, json_bounds.LONGEST),
    "keys": (keyed, json_bounds.MOST_KEYS),
    "levels": (deep, json_bounds.MOST_LEVELS),
}


def errors(answer: httpx2.Response) -> list[tuple[str, str]]:
    """Field and message of each error."""
    return [(error.get("field"), error["message"]) for error in answer.json()["errors"]]


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize(("resource", "field"), DOCUMENTS, ids=[f"{one.path[8:]} {name}" for one, name in DOCUMENTS])
def test_a_document_is_taken_at_its_bound_and_refused_beyond_it_by_name(
    editor: httpx2.Client, resource: Resource, field: str, bound: str
) -> None:
    make, most = BOUNDS[bound]
    inside = field == "accessories"
    if inside:
        most -= {"bytes": 2, "keys": 0, "levels": 1}[bound]
    fits, beyond = ([make(most)], [make(most + 1)]) if inside else (make(most), make(most + 1))
    row = create(editor, resource, **{field: fits})
    assert row[field] == fits
    path = f"{resource.path}/{row[resource.key]}"
    for answer in (
        editor.post(resource.path, json=resource.body(editor) | {field: beyond}),
        editor.patch(path, json={field: beyond}),
    ):
        assert answer.status_code == 400
        ((named, message),) = errors(answer)
        assert named == field
        assert f"{BOUNDS[bound][1]:,} {bound}" in message
    assert editor.get(path).json()["data"][field] == fits


def test_spaces_between_values_and_letters_by_number_do_not_count(editor: httpx2.Client) -> None:
    value = {"a": "é" * 30_000, "b": list(range(500))}
    body = json.dumps({"name": "Spacious", "metadata": value}, indent=40, ensure_ascii=True)
    assert len(body) > 3 * json_bounds.LONGEST
    answer = editor.post(BACKGROUND.path, content=body, headers=JSON)
    assert answer.status_code == 201, answer.text
    assert answer.json()["data"]["metadata"] == value


def test_a_number_that_grows_when_it_is_written_out_counts_as_it_is_kept(editor: httpx2.Client) -> None:
    answer = editor.post(BACKGROUND.path, json={"name": "Huge", "metadata": {"a": [1e300] * 1000}})
    assert answer.status_code == 400
    assert [field for field, _ in errors(answer)] == ["metadata"]


def test_what_is_wrong_beside_a_document_is_told_with_it(editor: httpx2.Client) -> None:
    body = {"name": "", "metadata": sized(json_bounds.LONGEST + 1), "unheard_of": 1}
    answer = editor.post(BACKGROUND.path, json=body)
    assert {field for field, _ in errors(answer)} == {"name", "metadata", "unheard_of"}


@pytest.mark.parametrize(
    ("resource", "field", "most"),
    [(CLIP, "description", 20_000), (GUEST, "bio", 20_000), (EPISODE, "copyright", 10_000)],
    ids=["description", "bio", "copyright"],
)
def test_a_text_has_an_end(editor: httpx2.Client, resource: Resource, field: str, most: int) -> None:
    create(editor, resource, **{field: "é" * most})
    answer = editor.post(resource.path, json=resource.body(editor) | {field: "é" * (most + 1)})
    assert errors(answer) == [(field, f"expected `str` of length <= {most}")]


def many(of: bytes, size: int) -> bytes:
    """So many bytes of values."""
    return b",".join([of] * (size // (len(of) + 1)))


SIZE, LARGE = 1_000_000, 10_000_000
# Made where they are sent: tens of megabytes that only these tests need.
CROWDS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "objects": (BACKGROUND.path, lambda: b'{"name":"x","metadata":{"a":[' + many(b"{}", SIZE) + b"]}}"),
    "numbers": (BACKGROUND.path, lambda: b'{"name":"x","metadata":{"a":[' + many(b"0", SIZE) + b"]}}"),
    "texts": (BACKGROUND.path, lambda: b'{"name":"x","metadata":{"a":[' + many(b'""', SIZE) + b"]}}"),
    "escapes": (BACKGROUND.path, lambda: b'{"name":"x","metadata":{"a":[' + many(rb'"\u0041"', SIZE) + b"]}}"),
    "keys": (BACKGROUND.path, lambda: b"{" + b",".join(b'"%06x":0' % n for n in range(SIZE // 11)) + b"}"),
    "accessories": (OUTFIT.path, lambda: b'{"name":"x","accessories":[' + many(b"{}", SIZE) + b"]}"),
    "brackets": (BACKGROUND.path, lambda: b"[" * SIZE),
    "marks": (BACKGROUND.path, lambda: b'{"name":"a' + "\u0301\u0323".encode() * (SIZE // 4) + b'"}'),
    "a batch of one": ("/api/v1/ingest/batch", lambda: b'{"jobs":[{"a":[' + many(b"{}", LARGE) + b"]}]}"),
    "a batch of texts": ("/api/v1/ingest/batch", lambda: b'{"jobs":[{"a":[' + many(b'"\\\\"', LARGE) + b"]}]}"),
    "a text of letters by number": (BACKGROUND.path, lambda: b'{"name":"' + rb"\u0041" * (SIZE // 6) + b'"}'),
}


def processor_seconds(pid: int) -> float:
    """Of a process and those it started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    started = [one for task in Path(f"/proc/{pid}/task").glob("*/children") for one in task.read_text().split()]
    return (int(fields[11]) + int(fields[12])) / 100 + sum(map(processor_seconds, map(int, started)))


@pytest.mark.parametrize(("path", "body"), CROWDS.values(), ids=CROWDS)
def test_a_crowded_body_is_refused_before_it_takes_long(
    server: Stack, editor: httpx2.Client, path: str, body: Callable[[], bytes]
) -> None:
    content = body()
    before = processor_seconds(server.api.pid or 0)
    answer = editor.post(path, content=content, headers=JSON)
    assert answer.status_code == 400
    assert processor_seconds(server.api.pid or 0) - before < 0.5


def pages(client: httpx2.Client, path: str, **params: Any) -> Iterator[list[dict[str, Any]]]:
    """Each page of a list, none of which is larger than it may be unless it holds a single row."""
    cursor: dict[str, Any] = {}
    while True:
        answer = client.get(path, params=params | cursor).raise_for_status()
        page = answer.json()
        assert len(answer.content) <= page_sizes.MOST + 100_000 or len(page["data"]) == 1
        yield page["data"]
        if (following := page["metadata"]["pagination"]["nextCursor"]) is None:
            return
        cursor = {"cursor": following}


def test_a_list_of_long_texts_is_cut_and_goes_on(editor: httpx2.Client) -> None:
    episode = create(editor, EPISODE)["episode_id"]
    path = f"{EPISODE.path}/{episode}/scripts"
    for number in range(7):
        text = "é" * 900_000 if number != 3 else "short"
        editor.post(path, json={"content": text}).raise_for_status()
    found = list(pages(editor, path, limit=100))
    assert [row["version_number"] for page in found for row in page] == list(range(7, 0, -1))
    assert len(found) == 2
    few = list(pages(editor, path, limit=3, sort="version_number"))
    assert [row["version_number"] for page in few for row in page] == list(range(1, 8))
    assert max(map(len, few)) == 3


def test_a_list_of_large_documents_is_cut_and_goes_on_from_either_side_of_a_link(editor: httpx2.Client) -> None:
    tag, episode = f"large {uuid4()}", create(editor, EPISODE)["episode_id"]
    large = {name: sized(60_000) for name in ("top", "bottom", "shoes", "metadata")} | {"accessories": [sized(60_000)]}
    made = [create(editor, OUTFIT, tags=[tag], **large)["outfit_id"] for _ in range(30)]
    for position, outfit in enumerate(made):
        link = f"{EPISODE.path}/{episode}/outfits/{outfit}"
        editor.put(link, json={"position": position // 2}).raise_for_status()
    for path, params in ((OUTFIT.path, {"tag": tag, "sort": "created_at"}), (f"{EPISODE.path}/{episode}/outfits", {})):
        found = list(pages(editor, path, limit=100, **params))
        assert [row["outfit_id"] for page in found for row in page] == made
        assert len(found) == 2


def test_the_audit_log_is_cut_and_goes_on(server: Stack, admin: httpx2.Client) -> None:
    clip = str(uuid4())
    record = """
        insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id)
        select 'x', 'update', 'clip', %s, null, (select jsonb_object_agg(key, repeat(number::text, 8000))
                                                 from generate_series(1, 300) as key), 'x'
        from generate_series(1, 5) as number
    """
    server.sql(record, clip)
    for path, params in (("/api/v1/audit", {"entity_id": clip}), (f"{CLIP.path}/{clip}/history", {})):
        found = list(pages(admin, path, limit=100, **params))
        assert [row["after"]["1"][0] for page in found for row in page] == list("54321")
        assert len(found) == 2


def test_the_log_keeps_a_large_value_as_its_size_and_digest(editor: httpx2.Client) -> None:
    first, second = "é" * 4096, "é" * 4097
    clip = create(editor, CLIP, description=first, metadata={"a": "x" * 9000})["clip_id"]
    editor.patch(f"{CLIP.path}/{clip}", json={"description": second, "title": "Short"}).raise_for_status()
    change, creation = editor.get(f"{CLIP.path}/{clip}/history").json()["data"]
    text = second.encode()
    assert change["before"] == {"title": CLIP.new["title"], "description": first}
    assert change["after"] == {
        "title": "Short",
        "description": {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)},
    }
    assert creation["after"]["metadata"]["bytes"] == 9009
    assert creation["after"]["description"] == first
    assert creation["before"] is None
