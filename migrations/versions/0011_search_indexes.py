"""Search stays quick and whole: texts of any size, a reindex beside live changes, likeness of tags."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        drop function document_vector(text, text, text[], text);
        create function document_vector_of(title text, body text, tags text[], rest text, most integer)
            returns tsvector language sql immutable parallel safe
            return setweight(to_tsvector('public.folded', title), 'A')
                || setweight(to_tsvector('public.folded_english', title), 'A')
                || setweight(to_tsvector('public.folded', left(array_to_string(tags, ' '), most)), 'B')
                || setweight(to_tsvector('public.folded', left(coalesce(body, ''), most)), 'B')
                || setweight(to_tsvector('public.folded_english', left(coalesce(body, ''), most)), 'B')
                || setweight(to_tsvector('public.folded', left(coalesce(rest, ''), most)), 'D')
                || setweight(to_tsvector('public.folded_english', left(coalesce(rest, ''), most)), 'D');

        -- A vector holds a megabyte. A hundred thousand characters of prose fit four times; of the few texts that
        -- do not fit, less is read, at last the title alone.
        create function document_vector(title text, body text, tags text[], rest text) returns tsvector
            language plpgsql immutable as $$
        declare
            most integer;
        begin
            foreach most in array array[100000, 40000, 10000] loop
                begin
                    return document_vector_of(title, body, tags, rest, most);
                exception when program_limit_exceeded then
                    null;
                end;
            end loop;
            return document_vector_of(title, '', '{}', '', 0);
        end $$;

        -- How far a reindex has come, one row a type: documents up to and with `after` are written.
        create table reindexing (
            entity_type text primary key,
            after uuid not null default '00000000-0000-0000-0000-000000000000',
            started_at timestamptz not null default clock_timestamp()
        );

        -- what a mistyped word is compared with
        create function likeness(title text, tags text[]) returns text
            language sql immutable parallel safe
            return public.fold(title || ' ' || array_to_string(tags, ' '));
        drop index search_documents_title_idx;
        create index search_documents_likeness_idx on search_documents using gin (likeness(title, tags) gin_trgm_ops);
        create index search_documents_entity_id_idx on search_documents (entity_id);
    """)


def downgrade() -> None:
    op.execute("""
        drop index search_documents_entity_id_idx;
        drop index search_documents_likeness_idx;
        drop function likeness(text, text[]);
        create index search_documents_title_idx on search_documents using gin (fold(title) gin_trgm_ops);
        drop table reindexing;
        drop function document_vector(text, text, text[], text);
        drop function document_vector_of(text, text, text[], text, integer);
        create function document_vector(title text, body text, tags text[], rest text) returns tsvector
            language sql immutable parallel safe
            return setweight(to_tsvector('public.folded', title), 'A')
                || setweight(to_tsvector('public.folded_english', title), 'A')
                || setweight(to_tsvector('public.folded', array_to_string(tags, ' ')), 'B')
                || setweight(to_tsvector('public.folded', left(coalesce(body, ''), 100000)), 'B')
                || setweight(to_tsvector('public.folded_english', left(coalesce(body, ''), 100000)), 'B')
                || setweight(to_tsvector('public.folded', left(coalesce(rest, ''), 100000)), 'D')
                || setweight(to_tsvector('public.folded_english', left(coalesce(rest, ''), 100000)), 'D');
    """)
