"""A seal is over the time it was made, too, and over columns by name, so that the log may get more of them."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        -- What the hash of a seal is over. 1: the seal before it and its rows. 2: also upto, rows and sealed_at.
        -- Who does not say is a dispatcher that knows the first one only.
        alter table audit_seals add column format smallint not null default 1
            constraint audit_seals_format_check check (format in (1, 2));
    """)


def downgrade() -> None:
    """Seals of the second format become such of the first; what was kept of them elsewhere does not fit any more."""
    op.execute("""
        alter table audit_seals disable trigger audit_seals_refuse;
        grant update on audit_seals to current_user;
        do $$
        declare
            one record;
            previous bytea := '';
            chained boolean := false;
        begin
            for one in select seal_id, hash, digests, format from audit_seals order by seal_id loop
                chained := chained or one.format = 2;
                if chained then
                    one.hash := sha256(previous || one.digests);
                    update audit_seals set hash = one.hash where seal_id = one.seal_id;
                end if;
                previous := one.hash;
            end loop;
        end $$;
        revoke update on audit_seals from current_user;
        alter table audit_seals enable trigger audit_seals_refuse;
        alter table audit_seals drop column format;
    """)
