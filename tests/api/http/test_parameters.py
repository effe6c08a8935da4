"""Whatever text comes as cursor, sort, filter or search: rows, or a 400 that names the parameter."""

import json
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.conftest import SEED
from tests.resources import CLIP, EPISODE, GUEST, OUTFIT, RESOURCES, create
from tests.stack import Stack

# Each example is a request, so neither its time nor that the client is shared is of interest.
often = settings(
    max_examples=40,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LISTS = [
    *(resource.path for resource in RESOURCES),
    "/api/v1/ingest",
    "/api/v1/audit",
    "/api/v1/search",
]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
# What a search or LIKE might take for syntax of its own.
SIGNS = [*"\"-&|!()'\\%_*;{}\x00\u0301\u202eﷺ👗İß0aé \t\n", "or", "OR", "and", ":*", "<->", "--", "$$", "winter", "1e9"]
SYNTAX = st.lists(st.sampled_from(SIGNS), max_size=14).map("".join)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def rows(server: Stack) -> None:
    """Something to be found and to walk through."""
    with server.client("editor") as client:
        for resource in (CLIP, EPISODE, OUTFIT, GUEST):
            for _ in range(3):
                create(client, resource)


def refused_by_name_or_found(answer: httpx2.Response, name: str) -> None:
    """What every answer to such a request is."""
    assert answer.status_code in {200, 400}, answer.text
    if answer.status_code == 400:
        (error,) = answer.json()["errors"]
        assert (error["code"], error["field"].partition("[")[0]) == ("VALIDATION_ERROR", name)


@pytest.mark.parametrize("path", LISTS)
@seed(SEED)
@often
@given(text=TEXTS | SYNTAX)
def test_any_text_is_a_cursor_or_a_400(admin: httpx2.Client, rows: None, path: str, text: str) -> None:
    refused_by_name_or_found(admin.get(path, params={"cursor": text}), "cursor")


@pytest.mark.parametrize("path", [resource.path for resource in RESOURCES])
@seed(SEED)
@often
@given(text=TEXTS | SYNTAX)
def test_any_text_is_a_sort_or_a_400(admin: httpx2.Client, path: str, text: str) -> None:
    refused_by_name_or_found(admin.get(path, params={"sort": text}), "sort")


FILTERS = [
    ("/api/v1/episodes", "category"),
    ("/api/v1/episodes", "language"),
    ("/api/v1/episodes", "tag"),
    ("/api/v1/episodes", "season_number"),
    ("/api/v1/episodes", "publish_date_from"),
    ("/api/v1/episodes", "show_id"),
    ("/api/v1/clips", "unassigned"),
    ("/api/v1/clips", "quality"),
    ("/api/v1/clips", "file_hash"),
    ("/api/v1/outfits", "brand"),
    ("/api/v1/outfits", "top"),
    ("/api/v1/outfits", "accessories"),
    ("/api/v1/audit", "actor"),
    ("/api/v1/audit", "from"),
    ("/api/v1/audit", "entity_type"),
    ("/api/v1/ingest", "batch_id"),
    ("/api/v1/search", "status"),
    ("/api/v1/search", "type"),
    ("/api/v1/search", "tag"),
]


@pytest.mark.parametrize(("path", "name"), FILTERS)
@seed(SEED)
@often
@given(text=TEXTS | SYNTAX | st.integers().map(str) | st.floats().map(str) | JSONS.map(json.dumps))
def test_any_text_is_a_filter_or_a_400(admin: httpx2.Client, rows: None, path: str, name: str, text: str) -> None:
    refused_by_name_or_found(admin.get(path, params={name: text}), name)


@pytest.mark.parametrize("path", [*(resource.path for resource in RESOURCES), "/api/v1/search"])
@seed(SEED)
@often
@given(text=TEXTS | SYNTAX)
def test_any_text_can_be_searched_for(admin: httpx2.Client, rows: None, path: str, text: str) -> None:
    answer = admin.get(path, params={"q": text})
    refused_by_name_or_found(answer, "q")
    assert answer.status_code == 200 or "\x00" in text


@seed(SEED)
@often
@given(value=JSONS)
def test_any_json_can_be_looked_for_in_an_outfit(admin: httpx2.Client, rows: None, value: Any) -> None:
    answer = admin.get(OUTFIT.path, params={"shoes": json.dumps(value)})
    refused_by_name_or_found(answer, "shoes")


@seed(SEED)
@often
@given(value=st.dictionaries(TEXTS, JSONS, max_size=5))
def test_any_object_is_kept_as_it_is_or_refused(editor: httpx2.Client, value: dict[str, Any]) -> None:
    answer = editor.post(CLIP.path, json={"title": "Anything", "metadata": value})
    assert answer.status_code == 201 or [error["field"] for error in answer.json()["errors"]] == ["metadata"], (
        answer.text
    )
