"""What ends a command early: one line for the person at the terminal."""

from ops.client.errors import ClientError as CommandError

__all__ = ["CommandError"]
