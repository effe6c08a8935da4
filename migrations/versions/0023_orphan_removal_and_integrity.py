"""An object is removed only while nobody begins to refer to it; all that rows refer to is read again."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# Whose rows may name objects, in a column of its own or in passing.
TABLES = ("shows", "episodes", "scripts", "clips", "outfits", "ui_elements", "backgrounds", "components", "guests")
# What takes files: those of its jobs that failed can never be done when it is gone.
ENTITIES = ("episode", "clip", "outfit", "ui_element", "background", "component", "guest")


# How long those who write may wait for us; who cannot be had in this time is asked again by another upgrade.
LOCKS = "lock_timeout = '3s'"


def upgrade() -> None:
    # Each statement by itself, so that nobody waits for more than one of them; all of them may be done again.
    with op.get_context().autocommit_block():
        op.execute(f"set {LOCKS}")
        _marks()
        _who_takes_a_mark_away()
        _columns()
        op.execute("reset lock_timeout")
        _indexes()
        _jobs_of_nothing()
    op.execute(f"set local {LOCKS}")
    _readings()


def _marks() -> None:
    op.execute("""
        -- The mark is the lock: who begins to refer to an object takes its mark away, and only what has one is removed.
        -- After this time a removal that was begun has no effect any more.
        alter table orphan_objects add column if not exists removing_until timestamptz;

        create or replace function spare_objects(named text[]) returns void language plpgsql as $$
        declare
            mark record;
        begin
            for mark in
                select bucket, key, removing_until from orphan_objects
                where key = any(select regexp_replace(reference, '^s3://[^/]+/', '') from unnest(named) as reference)
                  and concat('s3://', bucket, '/', key) = any(named)
                order by bucket, key for update
            loop
                if mark.removing_until > clock_timestamp() then
                    raise lock_not_available using message = 'an object is being removed';
                end if;
                delete from orphan_objects where bucket = mark.bucket and key = mark.key;
            end loop;
        end $$;
    """)


def _who_takes_a_mark_away() -> None:
    op.execute("""
        create or replace function job_spares_objects() returns trigger language plpgsql as $$
        begin
            perform spare_objects(array(select source_reference from made where kind = 'ingest'));
            return null;
        end $$;
    """)
    op.execute("""
        create or replace trigger ingest_jobs_spare_objects after insert on ingest_jobs
            referencing new table as made for each statement execute function job_spares_objects();
    """)
    op.execute("""
        -- The pictures of a content have its name.
        create or replace function file_spares_objects() returns trigger language plpgsql as $$
        begin
            perform spare_objects(array(
                select concat('s3://', bucket, '/', key) from orphan_objects
                where key = any(select format('content/%s/%s/%s.jpg', left(new.sha256, 2), new.sha256, variant)
                                from unnest(array['primary', 'medium', 'small']) as variant)));
            return null;
        end $$;
    """)
    op.execute("""
        create or replace trigger files_spare_objects after insert on files
            for each row execute function file_spares_objects();
    """)
    op.execute("""
        create or replace function row_spares_objects() returns trigger language plpgsql as $$
        begin
            perform spare_objects(array(
                select unnest(array[said[1], rtrim(said[1], '.-')])
                from regexp_matches(new::text, '(s3://[A-Za-z0-9._/-]+)', 'g') as said));
            return null;
        end $$;
    """)
    for table in TABLES:
        op.execute(f"""
            create or replace trigger {table}_spare_objects after insert or update on {table}
                for each row when (new::text like '%s3://%') execute function row_spares_objects();
        """)


def _columns() -> None:
    op.execute("""
        alter table thumbnails
            add column if not exists picture_sha256 text,  -- of the picture's own bytes; empty: not known yet
            add column if not exists verified_at timestamptz;
    """)


def _indexes() -> None:
    """Built while others write; what an upgrade left that was broken off is of no use."""
    for name, column in (
        ("orphan_objects_key_idx", "orphan_objects (key)"),
        ("thumbnails_verified_idx", "thumbnails (coalesce(verified_at, processed_at))"),
    ):
        op.execute(f"drop index concurrently if exists {name}")
        op.execute(f"create index concurrently {name} on {column}")


def _readings() -> None:
    op.execute("""
        -- Objects that rows refer to beside the first copies of contents: who shows them, and what they held when they
        -- came or were first read; empty: not known yet.
        create table held_objects (
            file_reference text primary key,
            entity_type text,
            entity_id uuid,
            sha256 text,
            file_size bigint,
            verified_at timestamptz not null default '-infinity'
        );
        create index held_objects_verified_idx on held_objects (verified_at);

        -- A finding is of an object, whatever it is to whom.
        alter table integrity_findings
            add column entity_type text,
            add column entity_id uuid,
            add column file_reference text,
            add column file_size bigint,
            alter column sha256 drop not null,
            drop constraint integrity_findings_sha256_fkey;
        update integrity_findings as finding
        set entity_type = files.entity_type, entity_id = files.entity_id, file_reference = files.file_reference,
            file_size = files.file_size
        from files where files.sha256 = finding.sha256;
        alter table integrity_findings
            alter column entity_type set not null,
            alter column entity_id set not null,
            alter column file_reference set not null;
        drop index integrity_findings_open_idx;
        create unique index integrity_findings_open_idx on integrity_findings (file_reference)
            where resolved_at is null;
    """)


def _jobs_of_nothing() -> None:
    """A thousand at once."""
    for kind in ENTITIES:
        op.execute(f"""
            do $$ begin
                loop
                    delete from ingest_jobs where job_id in (
                        select job_id from ingest_jobs as job where status = 'failed' and entity_type = '{kind}'
                            and not exists (select from {kind}s where {kind}_id = job.entity_id) limit 1000);
                    exit when not found;
                    commit;
                end loop;
            end $$
        """)


def downgrade() -> None:
    op.execute(f"set local {LOCKS}")
    op.execute("""
        delete from integrity_findings as finding
            where not exists (select from files where files.file_reference = finding.file_reference
                                and files.sha256 = finding.sha256);
        alter table integrity_findings
            drop column entity_type,
            drop column entity_id,
            drop column file_reference,
            drop column file_size,
            alter column sha256 set not null,
            add foreign key (sha256) references files on delete cascade;
        create unique index integrity_findings_open_idx on integrity_findings (sha256) where resolved_at is null;
        drop table held_objects;
        drop index thumbnails_verified_idx;
        alter table thumbnails drop column verified_at, drop column picture_sha256;
    """)
    for table in TABLES:
        op.execute(f"drop trigger {table}_spare_objects on {table};")
    op.execute("""
        drop trigger files_spare_objects on files;
        drop trigger ingest_jobs_spare_objects on ingest_jobs;
        drop function row_spares_objects();
        drop function file_spares_objects();
        drop function job_spares_objects();
        drop function spare_objects(text[]);
        drop index orphan_objects_key_idx;
        alter table orphan_objects drop column removing_until;
    """)
