"""``episodes ingest``: folders of files in."""
