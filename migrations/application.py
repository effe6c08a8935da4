"""The role of the API, the workers and the dispatcher: it uses the tables and owns nothing.

Whoever owns the audit log could take its protection away; this role cannot.
"""

import getpass
import os
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier, Literal

from migrations.errors import OwnerError

# Rows of the log get their number, time and transaction from the database, and seals their number and time.
RIGHTS: Final = SQL("""
    grant usage on schema public to {role};
    grant select, insert, update, delete on all tables in schema public to {role};
    grant usage, select on all sequences in schema public to {role};
    revoke create on schema public from {role};
    revoke temporary on database {database} from public, {role};
    revoke all on audit_log, audit_seals, alembic_version from {role} cascade;
    grant select on audit_log, audit_seals, alembic_version to {role};
    grant insert (format, upto, rows, hash, audit_ids, digests) on audit_seals to {role};
    do $$ begin
        if to_regprocedure('redact(text, uuid)') is not null then
            grant execute on function redact(text, uuid) to {role};
        end if;
    end $$;
    grant insert (actor, action, entity_type, entity_id, before, after, request_id, job_id) on audit_log to {role};
""")


def admit(owner: psycopg.Connection, url: str) -> None:
    """Give the role of ``url`` its rights on the tables that are there, and make it where it is missing.

    Where its password is another one, because it was rotated in the settings, it gets that.

    Nothing is done where it is the owner itself, who then runs everything.

    Raises:
        OwnerError: it is a superuser, or belongs to the owner.
    """
    wanted = conninfo_to_dict(url)
    role = str(wanted.get("user") or os.environ.get("PGUSER") or getpass.getuser())
    password = str(wanted.get("password") or "")
    if role == owner.info.user:
        return
    with owner.transaction():
        if not owner.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
            _create(owner, role, password)
        elif password and _is_refused(url):
            _set_password(owner, role, password)
        _refuse_power(owner, role)
        owner.execute(RIGHTS.format(role=Identifier(role), database=Identifier(owner.info.dbname)))


def _create(owner: psycopg.Connection, role: str, password: str) -> None:
    """The owner may look at what the role's sessions do."""
    statement = SQL("create role {role} login password {secret}; grant {role} to current_user")
    owner.execute(statement.format(role=Identifier(role), secret=_secret(owner, role, password)))


def _is_refused(url: str) -> bool:
    """Whether the server lets nobody in with this password."""
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError as error:
        return "password authentication failed" in str(error)
    return False


def _set_password(owner: psycopg.Connection, role: str, password: str) -> None:
    statement = SQL("alter role {role} login password {secret}")
    owner.execute(statement.format(role=Identifier(role), secret=_secret(owner, role, password)))


def _secret(owner: psycopg.Connection, role: str, password: str) -> Literal:
    """The server never sees the password."""
    return Literal(owner.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode())


def _refuse_power(owner: psycopg.Connection, role: str) -> None:
    """Whoever owns the schema or the database could drop what stands in them."""
    query = """
        select from (select relowner from pg_class where oid in ('audit_log'::regclass, 'audit_seals'::regclass)
                     union select nspowner from pg_namespace where nspname = 'public'
                     union select datdba from pg_database where datname = current_database()) as owners (owner)
        where pg_has_role(%s, owner, 'member')
    """
    if owner.execute(query, [role]).fetchone() is not None:
        raise OwnerError(f"DATABASE_URL: {role} has the power of the tables' owner; take another role")
