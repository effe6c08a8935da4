"""The audit log and the hash chain over it."""
