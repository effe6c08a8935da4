"""Webhooks: who is told of what, and each delivery; all that is to be told is a row, until it was."""
