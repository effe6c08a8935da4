"""Search: its documents, queries, and reindex jobs."""
