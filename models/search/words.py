"""Words that only what is purged had: whoever is forgotten is not completed or corrected to, either."""

from uuid import UUID

from models.db import connection as db
from models.db.connection import Connection


async def words_of(connection: Connection, entity_type: str, ids: list[UUID]) -> list[str]:
    """All words, as written and as stemmed, that the audit log knows such things by."""
    query = """
        select coalesce(array_agg(distinct word), '{}') from audit_log,
            lateral (select readable(concat_ws(' ', words(before), words(after))) as said) as texts,
            lateral (select 'folded' as parser union all select 'folded_' || language from search_languages) as parsers,
            unnest(tsvector_to_array(to_tsvector(parser::regconfig, said))) as word
        where entity_type = %s and entity_id = any(%s)
    """
    found: list[str] = await db.value(connection, query, [entity_type, ids])
    return found


async def delete(connection: Connection, words: list[str]) -> None:
    """Those of them that no document has; who learns words meanwhile waits, so that none is taken away from it."""
    query = """
        delete from search_words where word = any(%s)
          and not exists (select from search_documents where vector @@ lexeme(word))
    """
    await db.execute(connection, "lock table search_words in share row exclusive mode")
    await db.execute(connection, query, [words])
