"""Extensions, text search configurations and the trigger that every table shares."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        create extension if not exists pg_trgm;
        create extension if not exists unaccent;

        -- the same words whether or not the writer found the accent key; unaccent() itself is only stable
        create function fold(value text) returns text
            language sql immutable strict parallel safe
            return lower(public.unaccent('public.unaccent', value));

        create text search configuration folded (copy = simple);
        alter text search configuration folded
            alter mapping for hword, hword_part, word with unaccent, simple;

        create text search configuration folded_english (copy = english);
        alter text search configuration folded_english
            alter mapping for hword, hword_part, word with unaccent, english_stem;

        -- every text inside a JSON value, for search
        create function words(value jsonb) returns text
            language sql immutable parallel safe
            return (select string_agg(word #>> '{}', ' ')
                    from jsonb_path_query(value, 'strict $.** ? (@.type() == "string")') as found (word));

        create function touch_row() returns trigger language plpgsql as $$
        begin
            new.updated_at := clock_timestamp();
            new.version := old.version + 1;
            return new;
        end $$;
    """)


def downgrade() -> None:
    op.execute("""
        drop function touch_row();
        drop text search configuration folded_english;
        drop text search configuration folded;
        drop function words(jsonb);
        drop function fold(text);
        drop extension unaccent;
        drop extension pg_trgm;
    """)
