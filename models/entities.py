"""The names of entities and of the files they take: closed sets that the API, the command line and the jobs share.

This module is light, so that the command line and the decoder start without the database's client. What an entity is
stands in ``models.catalog``, in the module that has its name with an s at the end.
"""

from typing import Final, Literal

EntityType = Literal["episode", "clip", "outfit", "ui_element", "background", "component", "guest"]  # they take files
EntityName = Literal["show", EntityType, "script"]  # all, each behind what it belongs to
MediaKind = Literal["image", "video", "audio", "document"]
EpisodeRole = Literal["thumbnail", "trailer", "script"]
FileRole = Literal["primary", EpisodeRole]  # primary for all but episodes
MB: Final = 1024 * 1024  # bytes
