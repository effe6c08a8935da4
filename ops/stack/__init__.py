"""``make run``: services and programs on one machine."""
