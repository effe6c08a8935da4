"""The Python client of Episodes. It needs ``httpx2`` and ``msgspec``, and nothing of the server.

``blocking.Episodes`` does one thing after the other, ``episodes.AsyncEpisodes`` is for asynchronous programs.
"""
