"""A small kube-proxy: each Service has an address of this machine, from which connections go to a ready pod of its.

What pods are told of other services (`dns:///tts:50051`) is rewritten to it: there is no DNS here. It has a thread of its own:
controllers and kubelet may be busy for longer than a caller waits for its ping.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import threading
from collections.abc import Mapping

from support.kube.nodes import ready
from support.kube.server import ApiServer
from support.kube.store import Object
from support.nats import free_port

_SERVICE = re.compile(r"dns:///([a-z-]+):(\d+)")


class Proxy:
    """The Services of one namespace.

    Args:
        server: Where they and their pods are.
        namespace: Whose.
    """

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self._server = server
        self._namespace = namespace
        self._ports: dict[tuple[str, int], int] = {}
        self._listeners: list[asyncio.Server] = []
        self._turn = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def start(self) -> None:
        """Listen for every Service that there is now."""
        self._thread.start()
        for service in self._server.listed("v1", "Service", self._namespace):
            for port in service["spec"]["ports"]:
                place = service["metadata"]["name"], int(port["port"])
                self._ports[place] = free_port()
                listening = asyncio.run_coroutine_threadsafe(self._listen(service, place), self._loop)
                self._listeners.append(listening.result())

    def stop(self) -> None:
        """Listen no more, and drop what is connected."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        ours = asyncio.all_tasks() - {asyncio.current_task()}
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)

    def address(self, service: str, port: int) -> str:
        """Return where a Service's port is on this machine.

        Raises:
            KeyError: There is no such Service or port.
        """
        return f"127.0.0.1:{self._ports[service, port]}"

    def told(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return a pod's environment with Services as addresses of this machine."""
        return {
            name: _SERVICE.sub(lambda found: f"ipv4:{self.address(found[1], int(found[2]))}", value)
            for name, value in environment.items()
        }

    async def _listen(self, service: Object, place: tuple[str, int]) -> asyncio.Server:
        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Cancelled when the proxy stops: asyncio's streams would call it an error.
            with contextlib.suppress(OSError, IndexError, asyncio.CancelledError):
                there, back = await asyncio.open_connection(self._pod(service["spec"]["selector"]), place[1])
                await asyncio.gather(_pump(reader, back), _pump(there, writer))
            writer.close()

        return await asyncio.start_server(forward, "127.0.0.1", self._ports[place])

    def _pod(self, selector: Mapping[str, str]) -> str:
        """Return the address of a ready pod, of each in turn.

        Raises:
            IndexError: There is none.
        """
        there = [
            pod["status"]["podIP"]
            for pod in self._server.listed("v1", "Pod", self._namespace)
            if selector.items() <= pod["metadata"]["labels"].items()
            and ready(pod)
            and "deletionTimestamp" not in pod["metadata"]
        ]
        return str(there[next(self._turn) % len(there)] if there else there[0])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
