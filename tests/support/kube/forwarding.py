"""Ways through the server to a pod: its HTTP proxy, and connections that are forwarded to a port.

Both end at the pod's address; of a real cluster only the first one meets network policies.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct

from aiohttp import ClientError, ClientSession, WSMsgType, web

from support.kube.asking import FailedError
from support.kube.store import Object

_PROTOCOL = "v4.channel.k8s.io"


async def proxied(request: web.Request, pod: Object, port: str) -> web.Response:
    """Ask a pod what the server was asked.

    Raises:
        FailedError: Nobody answers.
    """
    path = request.path_qs.split("/proxy", 1)[1]
    try:
        async with (
            ClientSession() as session,
            session.get(f"http://{pod['status']['podIP']}:{port}{path}") as answer,
        ):
            return web.Response(body=await answer.read(), status=answer.status, content_type=answer.content_type)
    except ClientError as error:
        raise FailedError(503, "ServiceUnavailable", f"error trying to reach service: {error}") from error


async def forwarded(request: web.Request, pod: Object) -> web.StreamResponse:
    """Forward connections: of each port a channel for data and one for errors, which begin with the port."""
    socket = web.WebSocketResponse(protocols=(_PROTOCOL,))
    await socket.prepare(request)
    ports = [int(port) for each in request.query.getall("ports") for port in each.split(",")]
    writers: dict[int, asyncio.StreamWriter] = {}
    pumps = []
    for number, port in enumerate(ports):
        for channel in (2 * number, 2 * number + 1):
            await socket.send_bytes(bytes([channel]) + struct.pack("<H", port))
        try:
            reader, writers[2 * number] = await asyncio.open_connection(pod["status"]["podIP"], port)
        except OSError as error:
            await socket.send_bytes(bytes([2 * number + 1]) + f"error forwarding port {port}: {error}".encode())
            continue
        pumps.append(asyncio.create_task(_pump(reader, socket, 2 * number)))
    async for message in socket:
        if message.type is WSMsgType.BINARY and (writer := writers.get(message.data[0])) is not None:
            writer.write(message.data[1:])
    for writer in writers.values():
        writer.close()
    for pump in pumps:
        pump.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)
    return socket


async def _pump(reader: asyncio.StreamReader, socket: web.WebSocketResponse, channel: int) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            await socket.send_bytes(bytes([channel]) + data)
    await socket.close()
