"""Closed sets of words, and free JSON objects: each stands in the document once, under the name that our code has.

A client that is generated has one type of each, and not one for every field.
"""

from collections.abc import Mapping
from typing import Any, Final, get_args

from api.openapi.schemas import REF, Schema
from models.audit.seals import TamperedPart
from models.catalog.backgrounds import BackgroundType
from models.catalog.clips import ClipStatus, Quality, TalentSource
from models.catalog.components import ComponentType
from models.catalog.episodes import ApprovalStatus, EpisodeStatus
from models.catalog.scripts import ContentSource
from models.catalog.shows import ShowStatus
from models.catalog.ui_elements import ElementType
from models.db.actions import Action
from models.entities import EntityName, EntityType, EpisodeRole, FileRole
from models.errors import ErrorCode
from models.housekeeping.integrity import FindingKind
from models.jobs.types import (
    AttemptResult,
    BatchState,
    CancellableStatus,
    JobKind,
    OnDuplicate,
    Outcome,
    Priority,
    RetryableStatus,
    Stage,
    StageStatus,
    Status,
    Subject,
)
from models.media.thumbnails import Variant
from models.operations import LevelName
from models.operations.processes import State
from models.roles import Role
from models.search.reindex import Purpose
from models.webhooks.types import DeliveryStatus, Subscribed

CLOSED_SETS: Final[Mapping[str, Any]] = {
    "Action": Action,
    "ApprovalStatus": ApprovalStatus,
    "AttemptResult": AttemptResult,
    "BackgroundType": BackgroundType,
    "BatchState": BatchState,
    "CancellableStatus": CancellableStatus,
    "ClipStatus": ClipStatus,
    "ComponentType": ComponentType,
    "ContentSource": ContentSource,
    "DeliveryStatus": DeliveryStatus,
    "ElementType": ElementType,
    "EntityName": EntityName,
    "EntityType": EntityType,
    "EpisodeRole": EpisodeRole,
    "EpisodeStatus": EpisodeStatus,
    "ErrorCode": ErrorCode,
    "EventPattern": Subscribed,
    "FileRole": FileRole,
    "FindingKind": FindingKind,
    "JobKind": JobKind,
    "JobStatus": Status,
    "JobSubject": Subject,
    "LogLevelName": LevelName,
    "OnDuplicate": OnDuplicate,
    "Outcome": Outcome,
    "Priority": Priority,
    "ProcessState": State,
    "Purpose": Purpose,
    "Quality": Quality,
    "RetryableStatus": RetryableStatus,
    "Role": Role,
    "ShowStatus": ShowStatus,
    "Stage": Stage,
    "StageStatus": StageStatus,
    "TalentSource": TalentSource,
    "TamperedPart": TamperedPart,
    "Variant": Variant,
}
SORTS: Final[Mapping[str, tuple[str, ...]]] = {
    "SortByName": ("created_at", "updated_at", "name"),
    "SortByTitle": ("created_at", "updated_at", "title"),
    "SortByVersion": ("created_at", "updated_at", "version_number", "title"),
}
FREE: Final = "JsonObject"
COUNTS: Final = "Counts"
_OBJECTS: Final[Mapping[str, Schema]] = {
    FREE: {"type": "object"},
    COUNTS: {"type": "object", "additionalProperties": {"type": "integer"}},
}
_WORDS: Final = {name: get_args(kind) for name, kind in CLOSED_SETS.items()} | {
    name: tuple(f"{way}{column}" for column in columns for way in ("", "-")) for name, columns in SORTS.items()
}
_NAMES: Final = {frozenset(words): name for name, words in _WORDS.items()}
_PLAIN: Final = {"type", "enum", "default"}  # what a schema of such a set consists of


def components() -> dict[str, Schema]:
    """The schema of each, by its name."""
    sets: dict[str, Schema] = {name: {"type": "string", "enum": sorted(words)} for name, words in _WORDS.items()}
    return {**sets, **_OBJECTS, FREE: {"type": "object", "additionalProperties": True}}


def shared(schema: Any) -> Any:
    """The same with a reference in place of each; a set of one word is that word."""
    match schema:
        case {"enum": [word], **rest}:
            return {**rest, "const": word}
        case dict() if name := _name(schema):
            kept = {key: value for key, value in schema.items() if key == "default"}
            return {"$ref": REF.format(name=name), **kept}
        case dict():
            return {key: value if key in ("example", "const") else shared(value) for key, value in schema.items()}
        case list():
            return [shared(item) for item in schema]
    return schema


def _name(schema: Schema) -> str | None:
    for name, free in _OBJECTS.items():
        if schema == free:
            return name
    words = schema.get("enum")
    plain = isinstance(words, list) and schema.keys() <= _PLAIN and all(isinstance(word, str) for word in words)
    return _NAMES.get(frozenset(words or ())) if plain else None
