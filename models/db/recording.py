"""Every change of an entity, in one statement: the write, its row in the audit log, its row in the outbox."""

from typing import Final
from uuid import UUID

from msgspec import Struct
from psycopg.sql import SQL, Composable, Composed, Identifier

from models.db.actions import Action


class Actor(Struct, frozen=True):
    """Who changes something, in which request, and for which job; whether also what others deleted comes back."""

    subject: str
    request_id: str
    job_id: UUID | None = None
    restores_all: bool = True

    def params(self) -> dict[str, str | UUID | None]:
        """The parameters of ``recorded``."""
        return {"actor": self.subject, "request_id": self.request_id, "job_id": self.job_id}


_RECORDED: Final = SQL("""
    with changed as (
        {write} returning new.*, to_jsonb(old) as was, to_jsonb(new) as became
    ), audited as (
        insert into audit_log (actor, action, entity_type, entity_id, before, after, request_id, job_id)
        select %(actor)s, {action}, {entity_type}, {key},
               case when {action} <> 'create' then difference(was, became) end,
               case when {action} = 'create' then jsonb_strip_nulls(became) else difference(became, was) end,
               %(request_id)s, %(job_id)s
        from changed
    ), announced as (
        insert into outbox (entity_type, entity_id) select {entity_type}, {key} from changed
    )
    select {columns} from changed
""")


def recorded(write: Composable, *, action: Action, entity_type: str, key: str, columns: Composable) -> Composed:
    """``write``, an insert or update without ``returning``, with its audit and outbox rows; it gives ``columns``.

    Its parameters include those of ``Actor.params``.
    """
    return _RECORDED.format(write=write, action=action, entity_type=entity_type, key=Identifier(key), columns=columns)
