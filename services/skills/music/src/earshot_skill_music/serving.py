"""Serving the library's files to devices, with range requests.

A request names a track by its id; the file is looked up in the library, so no path of a request ever reaches the file
system.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from earshot_skill_music.library import Library
from earshot_skill_music.links import Links

_GRACE_S = 1.0


def application(library: Library, links: Links, *, now: Callable[[], float] = time.time) -> Starlette:
    """Return the ASGI application; 404 for everything that was not signed, has ended, or is not there."""

    async def media(request: Request) -> Response:
        track_id = request.path_params["name"].partition(".")[0]
        track = library.get(track_id)
        if track is None or not links.admits(request.path_params["ticket"], track_id, now=now()):
            return PlainTextResponse("not found", status_code=404)
        if not await asyncio.to_thread(track.path.is_file):
            return PlainTextResponse("not found", status_code=404)
        return FileResponse(track.path, media_type=track.media_type, headers={"Cache-Control": "private, no-store"})

    return Starlette(routes=[Route("/media/{ticket}/{name}", media, methods=["GET", "HEAD"])])


class MediaServer:
    """Serves an application on a port of its own.

    Args:
        app: From `application`.
        host: Address to listen on.
        port: Port; 0: any.
    """

    def __init__(self, app: Starlette, *, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._wanted_port = port
        self._server: Any = None
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The address is in use.
        """
        # Costs 0.2 s to import.
        import uvicorn  # noqa: PLC0415

        class Server(uvicorn.Server):
            @contextmanager
            def capture_signals(self) -> Iterator[None]:
                """Leave signals to the service that this runs in."""
                yield

        listener = socket.create_server((self._host, self._wanted_port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(self._app, log_config=None, access_log=False, lifespan="off", server_header=False)
        self._server = Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="music-media")

    async def stop(self) -> None:
        """Finish what is being sent, at most a second, and close."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        await asyncio.wait({self._task}, timeout=_GRACE_S)
        self._server.force_exit = True
        await self._task
        self._server = self._task = None
