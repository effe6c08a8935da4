"""Closed sets of words, and free JSON objects: each stands in the document once, under the name that our code has.

A client that is generated has one type of each, and not one for every field.
"""

from collections.abc import Mapping
from typing import Any, Final, get_args

from api.openapi.schemas import REF, Schema
from models.catalog.backgrounds import BackgroundType
from models.catalog.clips import ClipStatus, Quality, TalentSource
from models.catalog.components import ComponentType
from models.catalog.episodes import ApprovalStatus, EpisodeStatus
from models.catalog.scripts import ContentSource
from models.catalog.shows import ShowStatus
from models.catalog.ui_elements import ElementType
from models.db.actions import Action
from models.entities import EntityName, EntityType, FileRole
from models.errors import ErrorCode
from models.housekeeping.integrity import FindingKind
from models.jobs.types import JobKind, OnDuplicate, Outcome, Priority, Stage, StageStatus, Status, Subject
from models.media.thumbnails import Variant
from models.roles import Role
from models.search.reindex import Purpose

CLOSED_SETS: Final[Mapping[str, Any]] = {
    "Action": Action,
    "ApprovalStatus": ApprovalStatus,
    "BackgroundType": BackgroundType,
    "ClipStatus": ClipStatus,
    "ComponentType": ComponentType,
    "ContentSource": ContentSource,
    "ElementType": ElementType,
    "EntityName": EntityName,
    "EntityType": EntityType,
    "EpisodeStatus": EpisodeStatus,
    "ErrorCode": ErrorCode,
    "FileRole": FileRole,
    "FindingKind": FindingKind,
    "JobKind": JobKind,
    "JobStatus": Status,
    "JobSubject": Subject,
    "OnDuplicate": OnDuplicate,
    "Outcome": Outcome,
    "Priority": Priority,
    "Purpose": Purpose,
    "Quality": Quality,
    "Role": Role,
    "ShowStatus": ShowStatus,
    "Stage": Stage,
    "StageStatus": StageStatus,
    "TalentSource": TalentSource,
    "Variant": Variant,
}
FREE: Final = "JsonObject"
_NAMES: Final = {frozenset(get_args(kind)): name for name, kind in CLOSED_SETS.items()}
_PLAIN: Final = {"type", "enum", "default"}  # what a schema of such a set consists of


def components() -> dict[str, Schema]:
    """The schema of each, by its name."""
    sets = {name: {"type": "string", "enum": sorted(get_args(kind))} for name, kind in CLOSED_SETS.items()}
    return {**sets, FREE: {"type": "object", "additionalProperties": True}}


def shared(schema: Any) -> Any:
    """The same with a reference in place of each."""
    match schema:
        case dict() if name := _name(schema):
            kept = {key: value for key, value in schema.items() if key == "default"}
            return {"$ref": REF.format(name=name), **kept}
        case dict():
            return {key: value if key in ("example", "const") else shared(value) for key, value in schema.items()}
        case list():
            return [shared(item) for item in schema]
    return schema


def _name(schema: Schema) -> str | None:
    if schema == {"type": "object"}:
        return FREE
    words = schema.get("enum")
    plain = isinstance(words, list) and schema.keys() <= _PLAIN and all(isinstance(word, str) for word in words)
    return _NAMES.get(frozenset(words or ())) if plain else None
