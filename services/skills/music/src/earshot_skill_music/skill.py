"""Plays the library on devices."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from earshot_skill_music import search
from earshot_skill_music.genres import genres_of, name_of
from earshot_skill_music.library import Library, Track
from earshot_skill_music.links import Links
from earshot_skill_music.queue import Queue
from earshot_skill_music.search import Found, Kind
from earshot_skill_music.serving import MediaServer, application
from earshot_skill_music.settings import MusicSettings
from earshot_skill_music.sounding import is_chinese
from earshot_skillkit import (
    ChangeVolume,
    Host,
    MediaItem,
    Pause,
    Play,
    Reply,
    Request,
    Resume,
    SetVolume,
    Skill,
    Stop,
    intent,
)

QUEUE = "queue"
_STEP_PERCENT = 10


class Music(Skill):
    """Answers play, pause, resume, stop, next, previous, now_playing, list_music and those of the volume.

    Args:
        host: What the runtime lends.
        library: The music.
        settings: Where devices fetch it.
    """

    def __init__(self, host: Host, library: Library, settings: MusicSettings) -> None:
        super().__init__(host)
        self._library = library
        self._settings = settings
        secret = settings.secret.get_secret_value().encode() if settings.secret else secrets.token_bytes(32)
        self._links = Links(secret, lifetime_s=settings.link_lifetime_s)
        app = application(library, self._links)
        self._server = MediaServer(app, host=settings.http_host, port=settings.http_port)

    async def start(self) -> None:
        """Serve the files."""
        await self._server.start()

    async def stop(self) -> None:
        """Stop serving them."""
        await self._server.stop()

    @intent("play")
    async def play(self, request: Request) -> Reply:
        """Play what was asked for, a selection in an order of its own for each call."""
        if not len(self._library):
            return request.respond("empty")
        found = await asyncio.to_thread(_find, self._library, request)
        if found is None:
            return _not_found(request)
        tracks = [track.track_id for track in found.tracks]
        if found.kind is not Kind.ALBUM:
            random.Random(request.idempotency_key).shuffle(tracks)  # noqa: S311 - an order, not a secret
        queue = Queue.begin(tuple(tracks), call=request.idempotency_key)
        await self._keep(request, lambda _: queue)
        return self._announced(request, found, queue)

    @intent("pause")
    async def pause(self, request: Request) -> Reply:
        """Pause."""
        return request.act(Pause())

    @intent("resume")
    async def resume(self, request: Request) -> Reply:
        """Go on; with nothing in the player, say so."""
        if request.device is not None and not request.device.media_item_id:
            return request.respond("nothing_playing")
        return request.act(Resume())

    @intent("stop")
    async def stop_playing(self, request: Request) -> Reply:
        """Stop and forget the queue."""
        await self._keep(request, lambda _: None)
        return request.act(Stop())

    @intent("next")
    async def next(self, request: Request) -> Reply:
        """Play the track behind what plays."""
        return await self._move(request, 1)

    @intent("previous")
    async def previous(self, request: Request) -> Reply:
        """Play the track before what plays; the first one again at the beginning."""
        return await self._move(request, -1)

    @intent("now_playing")
    async def now_playing(self, request: Request) -> Reply:
        """Say what plays, by the device's own word."""
        queue = await self._queue(request)
        device = request.device
        if queue is None or device is None or not device.media_item_id:
            return request.respond("nothing_playing")
        track = self._library.get(queue.tracks[queue.present(device.media_item_id)])
        if track is None:
            return request.respond("nothing_playing")
        key = "playing_now" if device.media_playing else "paused_now"
        return request.respond(key, title=track.title, artist=track.artist)

    @intent("set_volume")
    async def set_volume(self, request: Request) -> Reply:
        """Set the volume: levels are tenths."""
        level, percent = request.number("level"), request.number("percent")
        if level is None and percent is None:
            return request.respond("volume_missing")
        wanted = percent if percent is not None else (level or 0.0) * _STEP_PERCENT
        return request.act(SetVolume(percent=int(min(100, max(0, wanted)))))

    @intent("volume_up")
    async def volume_up(self, request: Request) -> Reply:
        """Make it louder by one level."""
        return request.act(ChangeVolume(delta_percent=_STEP_PERCENT))

    @intent("volume_down")
    async def volume_down(self, request: Request) -> Reply:
        """Make it quieter by one level."""
        return request.act(ChangeVolume(delta_percent=-_STEP_PERCENT))

    @intent("list_music")
    async def list_music(self, request: Request) -> Reply:
        """Say which genres there are."""
        genres = sorted({genre for track in self._library.tracks for genre in genres_of(track.genre)})
        if not genres:
            return request.respond("empty")
        return request.respond("genres", names=[name_of(genre, request.locale) for genre in genres])

    async def _move(self, request: Request, by: int) -> Reply:
        item_id = request.device.media_item_id if request.device is not None else ""
        present = await self._queue(request)
        if present is None:
            return request.respond("nothing_playing")
        if present.moved(by, item_id=item_id, call=request.idempotency_key) is None:
            return request.respond("queue_ended", directives=[Stop()])
        moved = await self._keep(
            request, lambda queue: queue and queue.moved(by, item_id=item_id, call=request.idempotency_key)
        )
        return request.respond("nothing_playing") if moved is None else request.act(self._play(moved))

    def _announced(self, request: Request, found: Found, queue: Queue) -> Reply:
        name = name_of(found.name, request.locale) if found.kind is Kind.GENRE else found.name
        first = self._library.get(queue.tracks[0])
        key = f"playing_{found.kind.value}"
        if is_chinese(name) != request.locale.startswith("zh") and found.kind is not Kind.EVERYTHING:
            # A name in another writing would be read out letter by letter, or left out.
            key = "playing_everything"
        artist = first.artist if first is not None else ""
        return request.respond(key, directives=[self._play(queue)], name=name, title=name, artist=artist)

    def _play(self, queue: Queue) -> Play:
        tracks = [(item_id, self._library.get(track_id)) for item_id, track_id in queue.rest]
        return Play(items=tuple(self._item(item_id, track) for item_id, track in tracks if track is not None))

    def _item(self, item_id: str, track: Track) -> MediaItem:
        base = self._settings.public_url.rstrip("/") or f"http://{self._settings.http_host}:{self._server.port}"
        return MediaItem(
            item_id=item_id,
            url=base + self._links.path(track, now=time.time()),
            media_type=track.media_type,
            title=track.title,
            artist=track.artist,
            duration=timedelta(seconds=track.duration_s),
        )

    async def _queue(self, request: Request) -> Queue | None:
        kept = await self.host.states.get(request.household_id, QUEUE, device_id=request.device_id)
        return self._known(Queue.from_json(kept))

    async def _keep(self, request: Request, change: Callable[[Queue | None], Queue | None]) -> Queue | None:
        def changed(value: Any) -> Any:
            queue = change(Queue.from_json(value))
            return queue.to_json() if queue is not None else None

        kept = await self.host.states.update(request.household_id, QUEUE, changed, device_id=request.device_id)
        return Queue.from_json(kept)

    def _known(self, queue: Queue | None) -> Queue | None:
        """Return the queue if the library still has anything of it."""
        if queue is None or not any(self._library.get(track) for track in queue.tracks):
            return None
        return queue


def _find(library: Library, request: Request) -> Found | None:
    title, artist = request.text("title"), request.text("artist")
    genre, album, query = request.text("genre"), request.text("album"), request.text("query")
    if title is not None:
        return search.by_title(library, title, artist)
    if artist is not None:
        return search.by_artist(library, artist)
    if genre is not None:
        return search.by_genre(library, genre)
    if album is not None or query is not None:
        return search.by_anything(library, album or query or "")
    return search.everything(library)


def _not_found(request: Request) -> Reply:
    for slot in ("title", "artist", "genre", "album", "query"):
        filled = request.slots.get(slot)
        if filled is not None and is_chinese(filled.text) == request.locale.startswith("zh"):
            return request.respond("not_found", name=filled.text)
    return request.respond("not_found_here")
