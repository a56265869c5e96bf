"""The HTTP side: URLs and verbs, and Kubernetes' Status for what can't be done."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import yaml
from aiohttp import web

from support.kube.access import Access, Asked
from support.kube.asking import FailedError, Target, find_target
from support.kube.documents import find_document
from support.kube.forwarding import forwarded, proxied
from support.kube.kinds import Kinds
from support.kube.nodes import held
from support.kube.selecting import check_selectors
from support.kube.store import Key, Object, Store, copied
from support.kube.watching import Watching, selected
from support.kube.writing import Writing

_METHODS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_MOMENT_S = 0.1
# Whoever has to do with writing: it is told before and after each, and may end a process in between.
Witness = Callable[[Asked, str], Awaitable[None]]


class ApiServer:
    """Serves a store.

    Attributes:
        access: Rules, and the log of all requests.
        witness: Told of each write before it is stored and after; None for nobody.
        outage: Tells which requests fail all the same that may be done: with 503, or an answer of its own; None for none.
        nobody: Who somebody is that shows no token; empty: refused. kubectl shows none where there is no TLS.
    """

    def __init__(self) -> None:
        self.store = Store()
        self.kinds = Kinds()
        self.access = Access(self.store, self.kinds)
        self.witness: Witness | None = None
        self.outage: Callable[[Asked], bool | web.Response] | None = None
        self.nobody = ""
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()
        self._writing = Writing(self.store, self.kinds)
        self._watching = Watching(self.store, self._closing)

    async def start(self) -> str:
        """Listen on a free port; return the base URL."""
        application = web.Application(client_max_size=4 << 20)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        return f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Close everything."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    # Without HTTP, for controllers and tests.

    def create(self, content: Object, namespace: str = "") -> Object:
        """Store a new object.

        Raises:
            FailedError: It is there already, or not valid.
        """
        kind = self.kinds.named(content["apiVersion"], content["kind"])
        name = content["metadata"].get("name", "")
        where = content["metadata"].get("namespace", namespace) if kind.namespaced else ""
        return self._writing.create(Target(kind=kind, namespace=where, name=name, sub=""), copied(content))

    def rewrite(self, content: Object) -> Object:
        """Replace an object, whatever its version.

        Raises:
            FailedError: It is not there, or not valid.
        """
        return self._writing.rewrite(self._named(content), content)

    def label(self, content: Object, labels: Mapping[str, str]) -> None:
        """Give an object more labels.

        Raises:
            FailedError: It is not there.
        """
        metadata = content["metadata"]
        self.rewrite(content | {"metadata": metadata | {"labels": {**metadata.get("labels", {}), **labels}}})

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> None:
        """Delete an object, as a client does: its finalizers are waited for.

        Raises:
            FailedError: It is not there.
        """
        content = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}
        target = self._named(content)
        self._writing.ending.end(target.key, self._writing.present(target), {})

    async def changed(self) -> None:
        """Wait for the next change, or a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MOMENT_S):
                await self.store.changed.wait()

    def find(self, api_version: str, kind: str, name: str, namespace: str = "default") -> Object | None:
        """Return an object."""
        found = self.kinds.named(api_version, kind)
        return self.store.get(Key(kind=found, namespace=namespace if found.namespaced else "", name=name))

    def listed(self, api_version: str, kind: str, namespace: str = "") -> list[Object]:
        """Return a kind's objects."""
        return [content for _, content in self.store.of(self.kinds.named(api_version, kind), namespace)]

    def set_status(self, content: Object) -> None:
        """Write an object's status, if the object is still there and the status is another."""
        kind = self.kinds.named(content["apiVersion"], content["kind"])
        metadata = content["metadata"]
        key = Key(kind=kind, namespace=metadata.get("namespace", ""), name=metadata["name"])
        found = self.store.get(key)
        if (
            found is not None
            and found["metadata"]["uid"] == metadata["uid"]
            and found.get("status") != content["status"]
        ):
            self.store.put(key, found | {"status": content["status"]})

    def remove(self, content: Object) -> None:
        """Remove an object for good."""
        kind = self.kinds.named(content["apiVersion"], content["kind"])
        key = Key(kind=kind, namespace=content["metadata"].get("namespace", ""), name=content["metadata"]["name"])
        if self.store.get(key) is not None:
            self._writing.ending.remove(key)

    def _named(self, content: Object) -> Target:
        kind = self.kinds.named(content["apiVersion"], content["kind"])
        namespace = content["metadata"].get("namespace", "") if kind.namespaced else ""
        return Target(kind=kind, namespace=namespace, name=content["metadata"]["name"], sub="")

    # Requests.

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._dispatch(request)
        except FailedError as error:
            return web.json_response(error.status(), status=error.code)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        user = _user(request, self.nobody)
        parts = [part for part in request.path.split("/") if part]
        if (document := find_document(self.kinds, parts)) is not None:
            return web.json_response(document)
        if parts[4:5] == ["pods"] and parts[6:7] in (["proxy"], ["portforward"], ["eviction"]):
            return await self._of_pod(user, parts[3], parts[5], parts[6], request)
        target = find_target(self.kinds, parts)
        asked = self._asked(request, user, target)
        self._require(asked)
        if self.outage is not None and (failing := self.outage(asked)):
            if not isinstance(failing, web.Response):
                raise FailedError(503, "ServiceUnavailable", f"{asked.resource} can't be had now")
            return failing
        if asked.verb == "watch":
            return await self._watching.watch(request, target)
        if asked.verb in {"list", "get"}:
            return web.json_response(self._read(request, asked, target))
        return await self._write(request, asked, target)

    async def _of_pod(
        self, user: str, namespace: str, place: str, what: str, request: web.Request
    ) -> web.StreamResponse:
        name, _, port = place.partition(":")
        verb = "create" if what == "eviction" else "get"
        self._require(Asked(user=user, verb=verb, group="", resource=f"pods/{what}", namespace=namespace, name=name))
        target = Target(kind=self.kinds.named("v1", "Pod"), namespace=namespace, name=name, sub="")
        pod = self._writing.present(target)
        if what == "eviction":
            return self._evict(target, pod)
        return await (proxied(request, pod, port) if what == "proxy" else forwarded(request, pod))

    def _evict(self, target: Target, pod: Object) -> web.Response:
        """Delete a pod, unless a budget has none to spare. What is sent says no more than the URL, and may be protobuf."""
        if budget := held(self, pod):
            message = "Cannot evict pod as it would violate the pod's disruption budget."
            told = f"The disruption budget {budget} does not allow evicting pods currently"
            causes = [{"reason": "DisruptionBudget", "message": told}]
            raise FailedError(429, "TooManyRequests", message, {"causes": causes})
        self._writing.ending.end(target.key, pod, {})
        return web.json_response(
            {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}}, status=201
        )

    def _require(self, asked: Asked) -> None:
        if not self.access.allowed(asked):
            plural = asked.resource.partition("/")[0]
            what = f"{plural}.{asked.group}" if asked.group else plural
            named = f' "{asked.name}"' if asked.name else ""
            where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
            user = asked.user.replace("sa:", "system:serviceaccount:", 1)
            told = {"name": asked.name, "group": asked.group, "kind": plural}
            raise FailedError(
                403,
                "Forbidden",
                f'{what}{named} is forbidden: User "{user}" cannot {asked.verb} resource "{asked.resource}" '
                f'in API group "{asked.group}" {where}',
                {name: value for name, value in told.items() if value},
            )

    async def _write(self, request: web.Request, asked: Asked, target: Target) -> web.Response:
        raw = await request.read()
        # Nearly all of it is JSON, which YAML's own parser reads thirty times as slowly.
        body = (json.loads(raw) if raw[:1] in b"{[" else yaml.safe_load(raw)) if raw else None
        told = asked
        if isinstance(body, dict):
            self._may_block(asked, body)
            # A rule does not know whom a creation names; whoever watches may want to.
            told = replace(asked, name=asked.name or body.get("metadata", {}).get("name", ""))
        if self.witness is not None:
            await self.witness(told, "before")
        answer, code = self._written(request, asked, target, body)
        if self.witness is not None:
            await self.witness(told, "after")
        return web.json_response(answer, status=code)

    def _written(self, request: web.Request, asked: Asked, target: Target, body: Any) -> tuple[Object, int]:
        dry, force = "dryRun" in request.query, request.query.get("force") in {"true", "1"}
        manager = request.query.get("fieldManager", "")
        if request.content_type != "application/apply-patch+yaml":
            manager = manager or request.headers.get("User-Agent", "").partition("/")[0]
        if target.sub == "scale":
            return self._writing.scale(target, body, request.content_type, manager, dry=dry), 200
        if asked.verb == "create":
            return self._writing.create(target, body, manager, dry=dry), 201
        if asked.verb == "update":
            return self._writing.update(target, body, manager, dry=dry), 200
        if asked.verb == "patch":
            if "apply-patch" in request.content_type and self.store.get(target.key) is None:
                self._require(replace(asked, verb="create"))
                return self._writing.patch(target, body, request.content_type, manager, dry=dry), 201
            how = request.content_type
            return self._writing.patch(target, body, how, manager, dry=dry, force=force), 200
        every = (lambda content: selected(request, content)) if asked.verb == "deletecollection" else None
        options = dict(body or {})
        for name in ("propagationPolicy", "gracePeriodSeconds"):
            if name in request.query:
                told = request.query[name]
                options[name] = int(told) if told.isdigit() else told
        return self._writing.delete(target, options, every, dry=dry or bool(options.get("dryRun"))), 200

    def _may_block(self, asked: Asked, body: Object) -> None:
        """Ask what OwnerReferencesPermissionEnforcement asks of whoever would hold up an owner's deletion."""
        for owner in (body.get("metadata") or {}).get("ownerReferences") or []:
            if owner.get("blockOwnerDeletion"):
                kind = self.kinds.named(owner["apiVersion"], owner["kind"])
                finalizers = f"{kind.plural}/finalizers"
                self._require(replace(asked, verb="update", group=kind.group, resource=finalizers, name=owner["name"]))

    def _asked(self, request: web.Request, user: str, target: Target) -> Asked:
        verb = _METHODS.get(request.method, "get")
        if request.method == "POST" and target.name:
            message = "the server does not allow this method on the requested resource"
            raise FailedError(405, "MethodNotAllowed", message)
        if request.method == "GET" and not target.name:
            verb = "watch" if request.query.get("watch") in {"true", "1"} else "list"
        if verb == "delete" and not target.name:
            verb = "deletecollection"
        resource = f"{target.kind.plural}/{target.sub}" if target.sub else target.kind.plural
        return Asked(
            user=user,
            verb=verb,
            group=target.kind.group,
            resource=resource,
            namespace=target.namespace,
            name=target.name,
        )

    # Reading.

    def _read(self, request: web.Request, asked: Asked, target: Target) -> dict[str, Any]:
        if asked.verb == "list":
            return self._list(request, target)
        scale = target.sub == "scale"
        return self._writing.scale(target, None, "", "", dry=True) if scale else self._writing.present(target)

    def _list(self, request: web.Request, target: Target) -> dict[str, Any]:
        check_selectors(target, request.query)
        found = [each for _, each in self.store.of(target.kind, target.namespace) if selected(request, each)]
        metadata: dict[str, Any] = {"resourceVersion": str(self.store.version)}
        begin, end = _page(request, self.store.oldest)
        if end < len(found):
            metadata["continue"] = f"{self.store.version}.{end}"
            if "labelSelector" not in request.query and "fieldSelector" not in request.query:
                metadata["remainingItemCount"] = len(found) - end
        return {
            "kind": f"{target.kind.name}List",
            "apiVersion": target.kind.api_version,
            "metadata": metadata,
            "items": [_as_listed(target, content) for content in found[begin:end]],
        }


def _page(request: web.Request, oldest: int) -> tuple[int, int]:
    """Return where a list begins and ends that is asked for in pieces: a piece is of now, whatever came before was of.

    Raises:
        FailedError: The first piece is too old, or it was none.
    """
    token, limit = request.query.get("continue", ""), int(request.query.get("limit") or sys.maxsize)
    version, _, begin = token.partition(".")
    if token and not (version.isdigit() and begin.isdigit()):
        raise FailedError(400, "BadRequest", "continue key is not valid")
    if token and int(version) < oldest:
        why = "The provided continue parameter is too old to display a consistent list result."
        raise FailedError(410, "Expired", why)
    return int(begin or 0), int(begin or 0) + limit


def _as_listed(target: Target, content: Object) -> Object:
    """Return an object as its list has it: one of Kubernetes' own kinds does not say what it is."""
    if target.kind.schema is not None:
        return content
    return {name: value for name, value in content.items() if name not in {"apiVersion", "kind"}}


def _user(request: web.Request, nobody: str) -> str:
    user = request.headers.get("Authorization", "").removeprefix("Bearer ") or nobody
    if user == "admin":
        # He may speak for service accounts.
        other = request.headers.get("Impersonate-User", "")
        return other.replace("system:serviceaccount:", "sa:", 1) or user
    if user.startswith("sa:"):
        return user
    raise FailedError(401, "Unauthorized", "Unauthorized")
