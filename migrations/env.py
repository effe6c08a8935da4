"""How alembic reaches the database: one transaction a migration, on psycopg."""

import os

from alembic import context
from sqlalchemy import NullPool, create_engine, make_url

url = context.config.attributes.get("database_url") or os.environ["DATABASE_URL"]
engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
