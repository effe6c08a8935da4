"""What an episode shows: links with fields of their own, and how often and when each thing was last used."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WORN = """
    worn_by text constraint episode_outfits_worn_by_check check (char_length(worn_by) between 1 and 255),
"""
TIMED = """
    start_seconds double precision constraint episode_ui_elements_start_seconds_check check (start_seconds >= 0),
    end_seconds double precision constraint episode_ui_elements_end_seconds_check
        check (end_seconds >= 0 and end_seconds >= start_seconds),
"""
# What is linked: its table, its key, the link's own columns.
KINDS = (
    ("outfits", "outfit_id", WORN),
    ("ui_elements", "ui_element_id", TIMED),
    ("backgrounds", "background_id", ""),
    ("components", "component_id", ""),
    ("guests", "guest_id", ""),
)


def upgrade() -> None:
    op.execute(COUNTING)
    for table, key, own in KINDS:
        op.execute(_usage(table))
        op.execute(_link(table, key, own))
    op.execute("""
        create trigger episodes_usage after update of deleted_at on episodes for each row
            when ((old.deleted_at is null) <> (new.deleted_at is null)) execute function episode_came_or_went();
    """)


# A thing is locked before its uses are counted: each statement of a function sees what was committed before it, so
# the count includes every link whose writer held the lock earlier.
COUNTING = """
    create function count_usage(used text, key text, ids uuid[]) returns void language plpgsql as $$
    begin
        execute format('select from %1$I where %2$I = any($1) order by %2$I for no key update', used, key) using ids;
        execute format('
            update %1$I as used set usage_count = counted.number, last_used_at = counted.latest
            from (
                select wanted.id, count(episodes.episode_id) as number,
                       max(link.created_at) filter (where episodes.episode_id is not null) as latest
                from unnest($1) as wanted (id)
                left join %3$I as link on link.%2$I = wanted.id
                left join episodes on episodes.episode_id = link.episode_id and episodes.deleted_at is null
                group by wanted.id
            ) as counted
            where used.%2$I = counted.id
              and (usage_count, last_used_at) is distinct from (counted.number, counted.latest)
        ', used, key, 'episode_' || used) using ids;
    end $$;

    create function link_said(link jsonb) returns jsonb
        language sql immutable parallel safe
        return jsonb_strip_nulls(link) - '{created_at, created_by, updated_at, updated_by, version}'::text[];

    create function link_came_or_went() returns trigger language plpgsql as $$
    begin
        perform count_usage(tg_argv[0], tg_argv[1],
                            array[(to_jsonb(coalesce(new, old)) ->> tg_argv[1])::uuid]);
        return null;
    end $$;

    create function episode_came_or_went() returns trigger language plpgsql as $$
    begin
        perform count_usage('outfits', 'outfit_id',
            array(select outfit_id from episode_outfits where episode_id = new.episode_id));
        perform count_usage('ui_elements', 'ui_element_id',
            array(select ui_element_id from episode_ui_elements where episode_id = new.episode_id));
        perform count_usage('backgrounds', 'background_id',
            array(select background_id from episode_backgrounds where episode_id = new.episode_id));
        perform count_usage('components', 'component_id',
            array(select component_id from episode_components where episode_id = new.episode_id));
        perform count_usage('guests', 'guest_id',
            array(select guest_id from episode_guests where episode_id = new.episode_id));
        return null;
    end $$;
"""


def _usage(table: str) -> str:
    """Columns that the triggers keep; that something is used elsewhere is no new version of it."""
    return f"""
        alter table {table}
            add column usage_count integer not null default 0,
            add column last_used_at timestamptz;
        drop trigger {table}_touch on {table};
        create trigger {table}_touch before update on {table} for each row
            when (new.usage_count = old.usage_count and new.last_used_at is not distinct from old.last_used_at)
            execute function touch_row();
    """


def _link(table: str, key: str, own: str) -> str:
    link = f"episode_{table}"
    return f"""
        create table {link} (
            episode_id uuid not null constraint {link}_episode_id_fkey references episodes,
            {key} uuid not null constraint {link}_{key}_fkey references {table},
            usage_context text,
            notes text,
            position integer not null default 0 constraint {link}_position_check check (position >= 0),
            {own}
            created_at timestamptz not null default clock_timestamp(),
            created_by text not null,
            updated_at timestamptz not null default clock_timestamp(),
            updated_by text not null,
            version integer not null default 1,
            primary key (episode_id, {key})
        );
        create index {link}_episode_idx on {link} (episode_id, position, created_at, {key});
        create index {link}_{key}_idx on {link} ({key}, position, created_at, episode_id);
        create trigger {link}_touch before update on {link} for each row execute function touch_row();
        create trigger {link}_usage after insert or delete on {link} for each row
            execute function link_came_or_went('{table}', '{key}');
    """


def downgrade() -> None:
    op.execute("drop trigger episodes_usage on episodes;")
    for table, _, _ in reversed(KINDS):
        op.execute(f"""
            drop table episode_{table};
            drop trigger {table}_touch on {table};
            create trigger {table}_touch before update on {table} for each row execute function touch_row();
            alter table {table} drop column usage_count, drop column last_used_at;
        """)
    op.execute("""
        drop function episode_came_or_went();
        drop function link_came_or_went();
        drop function link_said(jsonb);
        drop function count_usage(text, text, uuid[]);
    """)
