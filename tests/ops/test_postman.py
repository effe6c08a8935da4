"""The Postman collection says what the API offers, and its requests are answered."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import msgspec

from ops import postman

Json = dict[str, Any]


def requests() -> Iterator[Json]:
    """Every request of the collection as its file holds it."""
    for folder in msgspec.json.decode(postman.PATH.read_bytes())["item"]:
        for item in folder["item"]:
            yield item["request"] | {"name": item["name"]}


def test_the_collection_in_its_file_is_current() -> None:
    assert postman.PATH.read_bytes() == postman.rendered()


def test_it_has_each_operation_of_the_document_once(editor: httpx2.Client) -> None:
    document = editor.get("/schema/openapi.json").json()
    offered = sorted((method.upper(), path) for path, methods in document["paths"].items() for method in methods)
    found = [(request["method"], request["url"]["raw"].removeprefix("{{baseUrl}}")) for request in requests()]
    names = {part for _, path in offered for part in path.split("/") if part.startswith("{")}
    plain = [(method, _templated(path, names)) for method, path in found]
    assert sorted(plain) == offered


def _templated(path: str, names: set[str]) -> str:
    return "/".join(f"{{{part[1:]}}}" if f"{{{part[1:]}}}" in names else part for part in path.split("/")) or "/"


def test_its_requests_make_what_they_show(editor: httpx2.Client) -> None:
    known = {"show_id": "", "episode_id": ""}
    made = {request["name"]: request for request in requests()}
    for name in ("Create a show", "Create an episode", "Create a clip", "Create an outfit", "Create a guest"):
        body = made[name]["body"]["raw"]
        for variable, value in known.items():
            body = body.replace(f"{{{{{variable}}}}}", value)
        row = msgspec.json.decode(body)
        row |= {"name": f"{row['name']} {uuid4()}"} if "name" in row else {}
        answer = editor.post(made[name]["url"]["raw"].removeprefix("{{baseUrl}}"), json=row)
        assert answer.status_code == 201, answer.text
        known |= {key: value for key, value in answer.json()["data"].items() if key in known and value}


def test_only_what_needs_no_token_is_sent_without_one() -> None:
    public = {request["url"]["raw"] for request in requests() if request.get("auth") == {"type": "noauth"}}
    assert public == {"{{baseUrl}}/health", "{{baseUrl}}/health/ready"}
