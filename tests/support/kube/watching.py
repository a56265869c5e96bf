"""Watches: what happened since a version, and what happens, as whoever selects sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json

from aiohttp import web

from support.kube.asking import FailedError, Target
from support.kube.selecting import check_selectors, fields_match, labels_match
from support.kube.store import Change, Object, Store


class Watching:
    """Watches of a store.

    Args:
        store: Whose changes.
        closing: Set when the server ends.
    """

    def __init__(self, store: Store, closing: asyncio.Event) -> None:
        self.store = store
        self._closing = closing

    async def watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Tell of everything that happens, until the client or the server has enough."""
        check_selectors(target, request.query)
        if not (request.query.get("resourceVersion") or "0").isdigit():
            raise FailedError(400, "BadRequest", "resourceVersion: Invalid value: it is no number")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        loop = asyncio.get_running_loop()
        until = loop.time() + float(request.query.get("timeoutSeconds") or 300)
        version = int(request.query.get("resourceVersion") or 0)
        initial = request.query.get("sendInitialEvents") == "true" or version == 0
        if not initial and version < self.store.oldest:
            gone = FailedError(410, "Expired", f"too old resource version: {version} ({self.store.oldest})")
            await _send(response, "ERROR", gone.status())
            return response
        if initial:
            version = self.store.version
            for _, content in self.store.of(target.kind, target.namespace):
                if selected(request, content):
                    await _send(response, "ADDED", content)
            if request.query.get("sendInitialEvents") == "true":
                await _send(response, "BOOKMARK", self._bookmark(target, ended=True))
        with contextlib.suppress(ConnectionError):
            await self._follow(request, target, response, version, until)
            if request.query.get("allowWatchBookmarks") == "true":
                await _send(response, "BOOKMARK", self._bookmark(target, ended=False))
        return response

    async def _follow(
        self, request: web.Request, target: Target, response: web.StreamResponse, version: int, until: float
    ) -> None:
        while not self._closing.is_set():
            changed = self.store.changed
            for change in self.store.since(version):
                version = change.version
                if change.key.kind == target.kind and target.namespace in {"", change.key.namespace}:
                    await self._show(request, response, change)
            waiting = [asyncio.ensure_future(changed.wait()), asyncio.ensure_future(self._closing.wait())]
            left = until - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait(waiting, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED)
            for each in waiting:
                each.cancel()
            if not done:
                return

    async def _show(self, request: web.Request, response: web.StreamResponse, change: Change) -> None:
        """Tell of a change as whoever selects sees it: what is not selected is not there."""
        was = change.before is not None and selected(request, change.before)
        is_there = not change.deleted and selected(request, change.object)
        if was or is_there:
            type_ = "MODIFIED" if was and is_there else "ADDED" if is_there else "DELETED"
            await _send(response, type_, change.object)

    def _bookmark(self, target: Target, *, ended: bool) -> Object:
        metadata: Object = {"resourceVersion": str(self.store.version)}
        if ended:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        return {"kind": target.kind.name, "apiVersion": target.kind.api_version, "metadata": metadata}


def selected(request: web.Request, content: Object) -> bool:
    """Tell whether a request selects an object."""
    return labels_match(content, request.query.get("labelSelector", "")) and fields_match(
        content, request.query.get("fieldSelector", "")
    )


async def _send(response: web.StreamResponse, type_: str, content: Object) -> None:
    await response.write(json.dumps({"type": type_, "object": content}).encode() + b"\n")
