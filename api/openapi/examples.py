"""Examples of what is sent and answered, made from a schema: each field's value is known by its name."""

from typing import Any, Final

from api.openapi.schemas import Schema

SHOW: Final = "019a9c2e-7d41-7c55-9b1e-3f60a1b2c3d4"
ID: Final = "019a9c2f-1b02-7e10-8f00-5d2e9a7b6c11"
SHA256: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
TIME: Final = "2026-03-01T18:00:00Z"
VALUES: Final[dict[str, Any]] = {
    "name": "Styled by Lala",
    "title": "Winter coats",
    "description": "Looks of the week",
    "show_id": SHOW,
    "episode_number": 4,
    "season_number": 2,
    "publish_date": "2026-03-01",
    "duration_seconds": 1260,
    "language": "en-US",
    "category": "outerwear",
    "tags": ["winter", "coats"],
    "metadata": {"network": "own"},
    "content": "INT. STUDIO - DAY\nLala opens the wardrobe.",
    "change_notes": "A shorter opening",
    "top": {"item": "coat", "colour": "camel"},
    "accessories": [{"item": "scarf"}],
    "brand": "Maison Claire",
    "season": "winter",
    "bio": "Cuts coats in Lyon",
    "email": "ines@atelier.example",
    "social_links": {"web": "atelier.example"},
    "config": {"seconds": 12},
    "usage_context": "opening scene",
    "position": 1,
    "worn_by": "Lala",
    "start_seconds": 12.5,
    "end_seconds": 18.0,
    "file_name": "look-001.jpg",
    "file_type": "image/jpeg",
    "mime_type": "image/jpeg",
    "file_size": 482113,
    "width": 1280,
    "height": 720,
    "sha256": SHA256,
    "file_hash": SHA256,
    "source_reference": "s3://episodes-media/clip/019a9c2f-look-001.jpg",
    "fileReference": "s3://episodes-media/clip/019a9c2f-look-001.jpg",
    "file_reference": "https://pictures.example/look-001.jpg",
    "uploadUrl": "https://episodes-media.s3.example/clip/019a9c2f-look-001.jpg?X-Amz-Signature=…",
    "url": "https://episodes-thumbnails.s3.example/clips/019a9c2f/primary.jpg?X-Amz-Signature=9f86d081",
    "uploadId": "VXBsb2FkSWQtb2YtYS1maWxl",
    "partNumber": 1,
    "partSize": 67108864,
    "size": 67108864,
    "etag": '"9b2cf535f27731c974343645a3985328"',
    "headers": {"Content-Type": "image/jpeg", "If-None-Match": "*"},
    "expiresIn": 3600,
    "jobs": [{"entity_type": "clip", "entity_id": ID, "source_reference": "s3://episodes-media/clip/look.jpg"}],
    "diff": "--- version 1\n+++ version 2\n@@ -1 +1 @@\n-Lala waits.\n+Lala opens the wardrobe.\n",
    "snippet": "a <mark>winter</mark> coat",
    "rank": 0.6,
    "version": 1,
    "version_number": 1,
    "limit": 50,
    "total": 1,
    "created_by": "lala",
    "updated_by": "lala",
    "actor": "lala",
    "after": {"name": "Styled by Lala"},
    "requestId": "0b6f2a34-7a3e-4c5e-9a52-6f1d0c4b8e21",
    "request_id": "0b6f2a34-7a3e-4c5e-9a52-6f1d0c4b8e21",
    "type": {"episode": 1},
    "tag": {"winter": 1},
}
LIKELY: Final = ("active", "draft", "pending_review", "lower_third", "location", "intro", "clip", "queued", "primary")


def example(schema: Schema, components: dict[str, Schema], name: str = "") -> Any:
    """A value that fits ``schema``, for the field ``name``."""
    if "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    known = VALUES.get(name)
    if known is not None and _fits(known, schema):
        return known
    if "properties" in schema:
        return {
            field: example(kind, components, field)
            for field, kind in schema["properties"].items()
            if _shown(field, schema)
        }
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return None
    if "enum" in schema:
        return next((value for value in LIKELY if value in schema["enum"]), schema["enum"][0])
    return _simple(schema, components)


def _shown(field: str, schema: Schema) -> bool:
    """All of an answer; of a body what is required or makes it plain."""
    return "additionalProperties" not in schema or field in schema["required"] or field in VALUES


def _fits(value: Any, schema: Schema) -> bool:
    """Whether the value is of the schema's type, so that ``metadata`` of a row is not taken for that of an answer."""
    kinds: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "array": list, "object": dict}
    choices = [choice.get("type") for choice in schema.get("anyOf", [schema])]
    return "properties" not in schema and any(isinstance(value, kinds[kind]) for kind in choices if kind in kinds)


def _simple(schema: Schema, components: dict[str, Schema]) -> Any:
    if schema.get("type") == "array":
        return [example(schema["items"], components)]
    if schema.get("type") in ("integer", "number"):
        return schema.get("minimum", 0)
    plain = {"object": {}, "boolean": False, "date-time": TIME, "uuid": ID}
    return plain.get(schema.get("format") or schema.get("type", ""), "text")
