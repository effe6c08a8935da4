"""Signatures, held against the public library that receivers use."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json
from standardwebhooks import Webhook, WebhookVerificationError

from models.webhooks import signatures


def now() -> int:
    return int(datetime.now(UTC).timestamp())


@given(st.dictionaries(st.text(), st.text()), st.uuids())
def test_what_is_signed_is_verified_by_the_public_library(said: dict[str, str], message_id: UUID) -> None:
    secret, body = signatures.new_secret(), json.encode(said)
    assert Webhook(secret).verify(body, signatures.headers(secret, str(message_id), now(), body)) == said


@pytest.mark.parametrize("changed", ["secret", "body", "webhook-id", "webhook-timestamp", "old"])
def test_what_was_changed_is_not_verified(changed: str) -> None:
    secret = signatures.new_secret()
    headers = signatures.headers(secret, "one", now() - (3600 if changed == "old" else 0), b'{"a": 1}')
    body = b'{"a": 2}' if changed == "body" else b'{"a": 1}'
    if changed in headers:
        headers[changed] = str(now() - 1) if changed == "webhook-timestamp" else "two"
    with pytest.raises(WebhookVerificationError):
        Webhook(signatures.new_secret() if changed == "secret" else secret).verify(body, headers)


def test_no_secret_is_like_another() -> None:
    assert len({signatures.new_secret() for _ in range(100)}) == 100
