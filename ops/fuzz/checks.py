"""Checks of schemathesis, where it cannot know what holds here; it loads this module by its name."""

import re
from typing import Any, Final

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData, UseAfterFree
from schemathesis.specs.openapi.checks import positive_data_acceptance, use_after_free

# What our refusals say of requests that fit the schema: each is about something that a schema cannot tell.
BEYOND_THE_SCHEMA: Final = re.compile(
    "|".join(
        (
            "there is no object",  # a reference has a form, but only some name something
            r"there is no (such )?[a-z ]+( [0-9a-f-]{36})?$",  # ids have a form, but only some of them exist
            "this is a version of another episode's script",
            "this is not a cursor",  # cursors are opaque
            "text must not contain NUL",  # free-form objects hold texts at any depth
            "expected `int( \\| null)?`, got `float`",  # 1.0 is a whole number to a schema
            "this is before start_seconds",  # what one field needs, another decides
            "a file of [a-z_]+ has the role",
            "This is .+ takes ",  # which types of file are taken, and how large
            "Nobody here knows the type",
            "The [a-z ]+ has [0-9,]+ bytes; ",
            r"expected `str` matching regex '\\\\S'",  # a schema and Python call other characters blank
            "a letter may carry",  # marks, of which a schema knows nothing
            "this may have [0-9,]+ (bytes|keys|levels)",  # a free-form object, in all
            "a body may have",
            "a reference (looks like|is s3://)",
            "this is no reference of an upload",
            "no part has arrived yet",
            "the parts do not make a file",
            "a part is named twice",
            "a reference holds no control characters",
            "only objects in",  # the buckets are settings
            "say which jobs",  # a filter of nulls says nothing
            "name either a priority or a stage",
            "a network looks like",
            "a key ends in the future",
            ".+ is an address inside the network",  # a webhook leads to the Internet
            "a webhook's URL begins with",
            "the host or port of this URL cannot be read",
            "send a URL of a host",
            "this time is over already",
            "this time is out of range",  # the first and last hours there are, in a zone that moves them out
        )
    )
)
INSIDES: Final = re.compile(rb'Traceback|File "|site-packages|psycopg|litestar|insert into |select .* from ', re.I)


@schemathesis.check
def valid_data_is_accepted(ctx: Any, response: Any, case: Any) -> None:
    """``positive_data_acceptance``, but for refusals whose reason no schema can state."""
    try:
        positive_data_acceptance(ctx, response, case)
    except RejectedPositiveData:
        if response.status_code != 412 and not all(map(_beyond_the_schema, response.json()["errors"])):  # noqa: PLR2004
            raise  # 412: If-Match names another version than the row's


def _beyond_the_schema(error: dict[str, str]) -> bool:
    judged_alone = (error.get("field") or "").startswith(
        "jobs["
    )  # the items of a batch: the schema says nothing of them
    return judged_alone or BEYOND_THE_SCHEMA.match(error["message"]) is not None


@schemathesis.check
def deleted_things_are_gone(ctx: Any, response: Any, case: Any) -> None:
    """``use_after_free``, but for what an admin is promised of deleted things: a history, and ``include_deleted``."""
    try:
        use_after_free(ctx, response, case)
    except UseAfterFree:
        if not (case.path.endswith("/history") or (case.query or {}).get("include_deleted")):
            raise


@schemathesis.check
def nothing_of_the_inside_is_told(_: Any, response: Any, case: Any) -> None:
    """No refusal shows a trace, SQL, a path or a library's name."""
    if response.status_code >= 400 and (found := INSIDES.search(response.content)):  # noqa: PLR2004
        raise AssertionError(f"{case.operation.label} tells {found[0]!r}")
