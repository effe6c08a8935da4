"""What the tests of jobs and batches share."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.stack import Stack, serving


@pytest.fixture(scope="package")
def quiet(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An API whose jobs wait, because nobody works."""
    with serving(services, tmp_path_factory.mktemp("quiet")) as stack:
        yield stack


@pytest.fixture(scope="package")
def waiting(quiet: Stack) -> Iterator[httpx2.Client]:
    """An editor of that API."""
    with quiet.client("editor") as client:
        yield client
