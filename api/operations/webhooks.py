"""Webhooks: who is told of what, and what came of each delivery; a webhook is its creator's, and any admin's."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.params import FromQuery, JSONBody, QueryParameter

from api.dependencies import AnyRequest, Config, Db, Who
from api.http.envelope import Data, Listing, page_of
from api.http.json_response import JsonResponse
from api.http.parameters import Id
from models.db.connection import Connection
from models.db.paging import LONGEST_CURSOR
from models.errors import Forbidden
from models.webhooks import addresses, deliveries, subscriptions
from models.webhooks.types import CreatedWebhook, Delivery, DeliveryStatus, NewWebhook, Webhook

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="Rows on a page.")]
Cursor = Annotated[str | None, QueryParameter(max_length=LONGEST_CURSOR, description="nextCursor of the page before.")]


class WebhookController(Controller):
    """Told when it is done."""

    path = "/api/v1/webhooks"
    tags = ("webhooks",)

    @post("/", summary="Be told of what happens; the secret is answered this once")
    async def create_webhook(
        self, db: Db, who: Who, config: Config, data: JSONBody[NewWebhook]
    ) -> Response[Data[CreatedWebhook]]:
        addresses.check(data.url, config.webhook_reach)
        made = await subscriptions.create(db, who, data)
        location = f"{self.path}/{made.webhook_id}"
        return JsonResponse(Data(made), status_code=201, headers={"Location": location})

    @get("/", summary="List your webhooks, or all of them where you are an admin")
    async def list_webhooks(
        self, request: AnyRequest, db: Db, limit: Limit = 50, cursor: Cursor = None
    ) -> Listing[Webhook]:
        caller = request.scope["auth"]
        return page_of(await subscriptions.page(db, None if caller.may("admin") else caller.subject, limit, cursor))

    @get("/{webhook_id:str}", summary="Read a webhook")
    async def read_webhook(self, request: AnyRequest, db: Db, webhook_id: Id) -> Data[Webhook]:
        return Data(await _own(request, db, webhook_id))

    @delete("/{webhook_id:str}", summary="Remove a webhook with its deliveries")
    async def delete_webhook(self, request: AnyRequest, db: Db, who: Who, webhook_id: Id) -> None:
        await subscriptions.delete(db, who, await _own(request, db, webhook_id))

    @post("/{webhook_id:str}/enable", status_code=200, summary="Let a webhook that was switched off be told again")
    async def enable_webhook(self, request: AnyRequest, db: Db, who: Who, webhook_id: Id) -> Data[Webhook]:
        return Data(await subscriptions.enable(db, who, await _own(request, db, webhook_id)))

    @post("/{webhook_id:str}/test", status_code=202, summary="Send a test delivery")
    async def test_webhook(self, request: AnyRequest, db: Db, who: Who, webhook_id: Id) -> Data[Delivery]:
        return Data(await deliveries.test(db, who, await _own(request, db, webhook_id)))

    @get("/{webhook_id:str}/deliveries", summary="List deliveries, the newest first, with each attempt")
    async def list_deliveries(
        self,
        request: AnyRequest,
        db: Db,
        webhook_id: Id,
        status: FromQuery[DeliveryStatus | None] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Listing[Delivery]:
        await _own(request, db, webhook_id)
        return page_of(await deliveries.page(db, webhook_id, status, limit, cursor))

    @get("/{webhook_id:str}/deliveries/{delivery_id:str}", summary="Read a delivery")
    async def read_delivery(self, request: AnyRequest, db: Db, webhook_id: Id, delivery_id: Id) -> Data[Delivery]:
        await _own(request, db, webhook_id)
        return Data(await deliveries.read(db, webhook_id, delivery_id))

    @post("/{webhook_id:str}/deliveries/{delivery_id:str}/retry", status_code=202, summary="Deliver once more")
    async def retry_delivery(self, request: AnyRequest, db: Db, webhook_id: Id, delivery_id: Id) -> Data[Delivery]:
        return Data(await deliveries.again(db, await _own(request, db, webhook_id), delivery_id))


async def _own(request: AnyRequest, db: Connection, webhook_id: UUID) -> Webhook:
    """The webhook, where the caller may see to it.

    Raises:
        NotFound
        Forbidden: it is another's.
    """
    webhook, caller = await subscriptions.read(db, webhook_id), request.scope["auth"]
    if webhook.created_by != caller.subject and not caller.may("admin"):
        raise Forbidden("this webhook is another's; its creator or an admin may look at it and change it")
    return webhook
