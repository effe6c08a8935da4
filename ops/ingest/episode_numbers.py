"""New episodes for files: each is numbered after the last of its show's first season."""

import asyncio
from typing import Any, Final

from ops.client.http import Client

MADE_FOR: Final = "made_for_file"  # in an episode's metadata: finds it again after an interruption
Row = dict[str, Any]


class Numbering:
    """The new episodes of one show. They are made one after the other, because each takes the next number."""

    def __init__(self, client: Client, show_id: str) -> None:
        self._client = client
        self._show_id = show_id
        self._turn = asyncio.Lock()
        self._episodes: list[Row] | None = None

    async def episode(self, title: str, key: str) -> tuple[str, bool]:
        """The id of the episode of the file that ``key`` stands for, and whether an earlier run made it.

        Raises:
            ApiError: the show is not there, or somebody else took the number meanwhile.
        """
        async with self._turn:
            if self._episodes is None:
                self._episodes = await self._made()
            made = next((row for row in self._episodes if row["metadata"].get(MADE_FOR) == key), None)
            if made is None:
                self._episodes.append(new := await self._make(title, key, self._episodes))
                return str(new["episode_id"]), False
            return str(made["episode_id"]), True

    async def _made(self) -> list[Row]:
        pages = self._client.pages("/api/v1/episodes", list[Row], show_id=self._show_id, season_number=1, limit=100)
        return [row async for page in pages for row in page.data]

    async def _make(self, title: str, key: str, before: list[Row]) -> Row:
        number = 1 + max((row["episode_number"] for row in before), default=0)
        new = {"show_id": self._show_id, "title": title, "episode_number": number, "metadata": {MADE_FOR: key}}
        return (await self._client.post("/api/v1/episodes", Row, new)).data
