"""What can be found, and the outbox that announces each change of it."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create table outbox (
            outbox_id bigint generated always as identity primary key,
            entity_type text not null,
            entity_id uuid not null,
            created_at timestamptz not null default clock_timestamp()
        );

        -- Words as written and as stemmed, accents folded: title over description and tags over the rest.
        create function document_vector(title text, body text, tags text[], rest text) returns tsvector
            language sql immutable parallel safe
            return setweight(to_tsvector('public.folded', title), 'A')
                || setweight(to_tsvector('public.folded_english', title), 'A')
                || setweight(to_tsvector('public.folded', array_to_string(tags, ' ')), 'B')
                || setweight(to_tsvector('public.folded', left(coalesce(body, ''), 100000)), 'B')
                || setweight(to_tsvector('public.folded_english', left(coalesce(body, ''), 100000)), 'B')
                || setweight(to_tsvector('public.folded', left(coalesce(rest, ''), 100000)), 'D')
                || setweight(to_tsvector('public.folded_english', left(coalesce(rest, ''), 100000)), 'D');

        create table search_documents (
            entity_type text not null,
            entity_id uuid not null,
            title text not null,
            body text not null,
            tags text[] not null,
            status text,
            show_id uuid,
            vector tsvector not null,
            indexed_at timestamptz not null default clock_timestamp(),
            primary key (entity_type, entity_id)
        );
        create index search_documents_vector_idx on search_documents using gin (vector);
        create index search_documents_title_idx on search_documents using gin (fold(title) gin_trgm_ops);
        create index search_documents_tags_idx on search_documents using gin (tags);
        create index search_documents_show_id_idx on search_documents (show_id);
    """)


def downgrade() -> None:
    op.execute("""
        drop table search_documents;
        drop function document_vector(text, text, text[], text);
        drop table outbox;
    """)
