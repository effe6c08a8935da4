"""Links: what an episode shows, and which episodes show a thing."""

from typing import TypeVar

from litestar import Controller, Response

from api.http.envelope import Data
from api.http.json_response import JsonResponse
from models.catalog.link_table import Link

L = TypeVar("L", bound=Link)


class LinkController(Controller):
    """Where the links of all things are."""

    path = "/api/v1"
    tags = ("links",)


def linked(put: tuple[L, bool]) -> Response[Data[L]]:
    """A link, with 201 where it is new."""
    link, new = put
    return JsonResponse(Data(link), status_code=201 if new else 200, headers={"ETag": f'"{link.version}"'})
