"""The routes of each resource, of search, audit and thumbnails."""
