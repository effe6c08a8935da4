"""What a run of the fuzz begins with: a few things of each kind, linked, some of them deleted; all by the document."""

from itertools import product
from typing import Any, Final

import httpx2

EACH: Final = 6
DELETED: Final = 2  # of each
FIRST: Final = ("/api/v1/shows", "/api/v1/episodes", "/api/v1/clips")  # others are part of these
LAST: Final = "/api/v1/episodes/{episode_id}/scripts"

Ids = dict[str, list[str]]
PathItems = dict[str, dict[str, Any]]


def make(client: httpx2.Client) -> Ids:
    """Make them by the document's examples, as an admin; their ids by the names that paths and bodies give them."""
    paths: PathItems = client.get("/schema/openapi.json").json()["paths"]
    ids: Ids = {}
    for path in _collections(paths):
        for number in range(EACH):
            _create(client, path, paths[path]["post"], ids, number)
    for path in (path for path in paths if "put" in paths[path] and _names(path) and ids.keys() >= {*_names(path)}):
        _link(client, path, ids)
    deletable = (path for path in paths if "delete" in paths[path] and path.count("{") == 1)
    for path in sorted(deletable, reverse=True):  # scripts before the episodes that they would be gone with
        if _names(path)[0] in ids:
            _delete(client, path, ids)
    return ids


def _collections(paths: PathItems) -> list[str]:
    """Where things are made, those first that others need."""
    made = [path for path in paths if "201" in paths[path].get("post", {}).get("responses", ()) and "{" not in path]
    return [*FIRST, *sorted(set(made) - {*FIRST}), LAST, "/api/v1/ingest"]


def _create(client: httpx2.Client, path: str, operation: dict[str, Any], ids: Ids, number: int) -> None:
    known = {name: made[number % len(made)] for name, made in ids.items()}
    own = {"name": f"Thing {number}", "episode_number": number + 1, "entity_id": known.get("clip_id")} | known
    body = operation["requestBody"]["content"]["application/json"]["example"]
    body |= {name: value for name, value in own.items() if name in body}
    made = client.post(path.format(**known), json=body).raise_for_status().json()["data"]
    key = next(name for name in made if name.endswith("_id"))  # its own comes first
    ids.setdefault(key, []).append(made[key])


def _link(client: httpx2.Client, path: str, ids: Ids) -> None:
    names = _names(path)
    for pair in product(*(ids[name] for name in names)):
        client.put(path.format(**dict(zip(names, pair, strict=True))), json={}).raise_for_status()


def _delete(client: httpx2.Client, path: str, ids: Ids) -> None:
    (name,) = _names(path)
    for key in ids[name][-DELETED:]:
        client.delete(path.format(**{name: key})).raise_for_status()


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
