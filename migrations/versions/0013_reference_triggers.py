"""The database itself refuses a reference to a row in the trash, so that a write needs no question before it."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

REFERENCES = (("episodes", "show_id", "shows"), ("clips", "episode_id", "episodes"))


def upgrade() -> None:
    for table, column, target in REFERENCES:
        # Not `for key share`, which a foreign key takes: that would let the target be deleted meanwhile.
        op.execute(f"""
            create function {table}_{column}_lives() returns trigger language plpgsql as $$
            begin
                perform from {target} where {column} = new.{column} and deleted_at is null for share;
                if not found then
                    raise foreign_key_violation using message = 'the target is missing or deleted',
                        detail = new.{column}::text,
                        table = '{table}', constraint = '{table}_{column}_fkey';
                end if;
                return new;
            end $$;
            create trigger {table}_{column}_lives before insert or update of {column} on {table}
                for each row when (new.{column} is not null) execute function {table}_{column}_lives();
        """)


def downgrade() -> None:
    for table, column, _ in REFERENCES:
        op.execute(f"""
            drop trigger {table}_{column}_lives on {table};
            drop function {table}_{column}_lives();
        """)
