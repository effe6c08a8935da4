"""The database's history: hand-written SQL, one file a step, each with its way back."""

from migrations.upgrade import upgrade

__all__ = ["upgrade"]
