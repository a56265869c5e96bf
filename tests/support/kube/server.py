"""The HTTP side: URLs, verbs, watches, and Kubernetes' Status for what can't be done."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import yaml
from aiohttp import ClientError, ClientSession, web

from support.kube.access import Access, Asked
from support.kube.admission import RefusedError, admit
from support.kube.kinds import Kind, Kinds, defined
from support.kube.nodes import held
from support.kube.patches import PatchError, applied, json_patch, merge_patch, strategic_patch
from support.kube.selecting import fields_match, labels_match
from support.kube.store import Change, Key, Object, Store

VERSION = {"major": "1", "minor": "33", "gitVersion": "v1.33.0", "platform": "linux/amd64"}
_METHODS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "generation", "namespace", "name")
_FINAL = {"Deployment": "selector", "StatefulSet": "selector"}
_MOMENT_S = 0.1
# Whoever has to do with writing: it is told before and after each, and may end a process in between.
Witness = Callable[[Asked, str], Awaitable[None]]


class FailedError(Exception):
    """A request that fails, with Kubernetes' reason."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason

    def status(self) -> dict[str, Any]:
        """Return it as clients read it."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "code": self.code,
            "reason": self.reason,
            "message": str(self),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a URL names."""

    kind: Kind
    namespace: str
    name: str
    sub: str

    @property
    def key(self) -> Key:
        """Where the object is."""
        return Key(kind=self.kind, namespace=self.namespace, name=self.name)


class ApiServer:
    """Serves a store.

    Attributes:
        access: Rules, and the log of all requests.
        witness: Told of each write before it is stored and after; None for nobody.
        nobody: Who somebody is that shows no token; empty: refused. kubectl shows none where there is no TLS.
    """

    def __init__(self) -> None:
        self.store = Store()
        self.kinds = Kinds()
        self.access = Access(self.store, self.kinds)
        self.witness: Witness | None = None
        self.nobody = ""
        self._applied: dict[tuple[str, str], Object] = {}
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()

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
        return self._create(Target(kind=kind, namespace=where, name=name, sub=""), copy.deepcopy(content))

    def rewrite(self, content: Object) -> Object:
        """Replace an object, whatever its version.

        Raises:
            FailedError: It is not there, or not valid.
        """
        return self._update(self._named(content), content | {"metadata": content["metadata"] | {"resourceVersion": ""}})

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> None:
        """Delete an object, as a client does: its finalizers are waited for.

        Raises:
            FailedError: It is not there.
        """
        content = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}
        target = self._named(content)
        self._end(target.key, self._present(target), {})

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
            self._remove(key)

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
        if (document := self._document(parts)) is not None:
            return web.json_response(document)
        if parts[4:5] == ["pods"] and parts[6:7] in (["proxy"], ["eviction"]):
            of_pod = self._evict if parts[6] == "eviction" else self._proxy
            return await of_pod(user, parts[3], parts[5], request)
        target = self._target(parts)
        asked = self._asked(request, user, target)
        self._require(asked)
        if asked.verb == "watch":
            return await self._watch(request, target)
        if asked.verb == "list":
            return web.json_response(self._list(request, target))
        if asked.verb == "get":
            return web.json_response(self._present(target))
        return await self._write(request, asked, target)

    async def _proxy(self, user: str, namespace: str, place: str, request: web.Request) -> web.Response:
        name, _, port = place.partition(":")
        kind = self.kinds.named("v1", "Pod")
        self._require(Asked(user=user, verb="get", group="", resource="pods/proxy", namespace=namespace, name=name))
        pod = self._present(Target(kind=kind, namespace=namespace, name=name, sub=""))
        path = request.path_qs.split("/proxy", 1)[1]
        try:
            async with (
                ClientSession() as session,
                session.get(f"http://{pod['status']['podIP']}:{port}{path}") as answer,
            ):
                return web.Response(body=await answer.read(), status=answer.status, content_type=answer.content_type)
        except ClientError as error:
            raise FailedError(503, "ServiceUnavailable", f"error trying to reach service: {error}") from error

    async def _evict(self, user: str, namespace: str, name: str, _: web.Request) -> web.Response:
        """Delete a pod, unless a budget has none to spare. What is sent says no more than the URL, and may be protobuf."""
        self._require(
            Asked(user=user, verb="create", group="", resource="pods/eviction", namespace=namespace, name=name)
        )
        target = Target(kind=self.kinds.named("v1", "Pod"), namespace=namespace, name=name, sub="")
        pod = self._present(target)
        if budget := held(self, pod):
            message = f"Cannot evict pod as it would violate the pod's disruption budget {budget}."
            raise FailedError(429, "TooManyRequests", message)
        self._end(target.key, pod, {})
        return web.json_response(
            {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}}, status=201
        )

    def _require(self, asked: Asked) -> None:
        if not self.access.allowed(asked):
            what = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
            raise FailedError(
                403,
                "Forbidden",
                f'{what} "{asked.name}" is forbidden: User "{asked.user}" cannot {asked.verb} resource '
                f'"{asked.resource}" in API group "{asked.group}" in the namespace "{asked.namespace}"',
            )

    async def _write(self, request: web.Request, asked: Asked, target: Target) -> web.Response:
        raw = await request.read()
        body = yaml.safe_load(raw) if raw else None
        if self.witness is not None:
            await self.witness(asked, "before")
        dry = "dryRun" in request.query
        if asked.verb == "create":
            answer, code = self._create(target, body, dry=dry), 201
        elif asked.verb == "update":
            answer, code = self._update(target, body, dry=dry), 200
        elif asked.verb == "patch":
            if "apply-patch" in request.content_type and self.store.get(target.key) is None:
                self._require(replace(asked, verb="create"))
            answer, code = self._patch(target, body, request, dry=dry), 200
        else:
            answer, code = self._delete(target, body or {}, request, collection=asked.verb == "deletecollection"), 200
        if self.witness is not None:
            await self.witness(asked, "after")
        return web.json_response(answer, status=code)

    def _document(self, parts: list[str]) -> dict[str, Any] | None:
        if parts == ["version"]:
            return VERSION
        if parts == ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"]}
        if parts == ["apis"]:
            return self.kinds.groups()
        found = None
        if len(parts) == 2 and parts[0] == "api":
            found = self.kinds.resources("", parts[1])
        elif len(parts) == 3 and parts[0] == "apis":
            found = self.kinds.resources(parts[1], parts[2])
        return found

    def _target(self, parts: list[str]) -> Target:
        missing = FailedError(404, "NotFound", "the server could not find the requested resource")
        if len(parts) > 2 and parts[0] == "api":
            group, version, rest = "", parts[1], parts[2:]
        elif len(parts) > 3 and parts[0] == "apis":
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            raise missing
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
            namespace, rest = rest[1], rest[2:]
        kind = self.kinds.find(group, version, rest[0])
        if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
            raise missing
        name, sub = (*rest[1:], "", "")[:2]
        if sub and (sub != "status" or not kind.status):
            raise missing
        return Target(kind=kind, namespace=namespace, name=name, sub=sub)

    def _asked(self, request: web.Request, user: str, target: Target) -> Asked:
        verb = _METHODS.get(request.method, "get")
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

    def _present(self, target: Target) -> Object:
        found = self.store.get(target.key)
        if found is None:
            raise FailedError(404, "NotFound", f'{target.kind.plural} "{target.name}" not found')
        return found

    def _selected(self, request: web.Request, content: Object) -> bool:
        return labels_match(content, request.query.get("labelSelector", "")) and fields_match(
            content, request.query.get("fieldSelector", "")
        )

    def _list(self, request: web.Request, target: Target) -> dict[str, Any]:
        found = self.store.of(target.kind, target.namespace)
        return {
            "kind": f"{target.kind.name}List",
            "apiVersion": target.kind.api_version,
            "metadata": {"resourceVersion": str(self.store.version)},
            "items": [content for _, content in found if self._selected(request, content)],
        }

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
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
                if self._selected(request, content):
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
        was = change.before is not None and self._selected(request, change.before)
        is_there = not change.deleted and self._selected(request, change.object)
        if was or is_there:
            type_ = "MODIFIED" if was and is_there else "ADDED" if is_there else "DELETED"
            await _send(response, type_, change.object)

    def _bookmark(self, target: Target, *, ended: bool) -> Object:
        metadata: Object = {"resourceVersion": str(self.store.version)}
        if ended:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        return {"kind": target.kind.name, "apiVersion": target.kind.api_version, "metadata": metadata}

    # Writing.

    def _create(self, target: Target, content: Object, *, dry: bool = False) -> Object:
        metadata = content.setdefault("metadata", {})
        name = metadata.get("name") or f"{metadata.get('generateName', '')}{uuid.uuid4().hex[:5]}"
        where = Target(kind=target.kind, namespace=target.namespace, name=name, sub="")
        if target.kind.namespaced and self.find("v1", "Namespace", target.namespace) is None:
            raise FailedError(404, "NotFound", f'namespaces "{target.namespace}" not found')
        if self.store.get(where.key) is not None:
            raise FailedError(409, "AlreadyExists", f'{target.kind.plural} "{name}" already exists')
        if metadata.get("resourceVersion"):
            raise FailedError(400, "BadRequest", "resourceVersion should not be set on objects to be created")
        metadata |= {"name": name, "uid": str(uuid.uuid4()), "creationTimestamp": now()}
        if target.kind.status:
            content.pop("status", None)
        if "spec" in content:
            metadata["generation"] = 1
        return self._store(where, content, None, dry=dry)

    def _update(self, target: Target, content: Object, *, dry: bool = False) -> Object:
        current = self._present(target)
        version = content.get("metadata", {}).get("resourceVersion")
        self._unchanged(target, current, version, content.get("metadata", {}).get("uid"))
        return self._replace(target, current, content, dry=dry)

    def _patch(self, target: Target, body: Any, request: web.Request, *, dry: bool) -> Object:
        how = request.content_type
        if "apply-patch" in how:
            return self._apply(target, body, request.query.get("fieldManager", ""), dry=dry)
        current = self._present(target)
        if isinstance(body, dict):
            told = body.get("metadata") or {}
            self._unchanged(target, current, told.get("resourceVersion"), told.get("uid"))
        try:
            if "json-patch" in how:
                content = json_patch(copy.deepcopy(current), body)
            elif "strategic" in how and target.kind.schema is None:
                content = strategic_patch(copy.deepcopy(current), body)
            elif "merge-patch" in how and "strategic" not in how:
                content = merge_patch(copy.deepcopy(current), body)
            else:
                raise FailedError(
                    415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {how}"
                )
        except PatchError as error:
            raise FailedError(422, "Invalid", str(error)) from error
        return self._replace(target, current, content, dry=dry)

    def _apply(self, target: Target, body: Object, manager: str, *, dry: bool) -> Object:
        if not manager:
            raise FailedError(400, "BadRequest", "PatchOptions.meta.k8s.io is invalid: fieldManager is required")
        current = self.store.get(target.key)
        if current is None and target.sub:
            raise FailedError(404, "NotFound", f'{target.kind.plural} "{target.name}" not found')
        if current is None:
            made = copy.deepcopy(body)
            made["metadata"] = {**made.get("metadata", {}), "name": target.name}
            answer = self._create(target, made, dry=dry)
        else:
            before = self._applied.get((current["metadata"]["uid"], f"{manager}/{target.sub}"))
            self._unchanged(target, current, body.get("metadata", {}).get("resourceVersion"), None)
            answer = self._replace(target, current, applied(copy.deepcopy(current), before, body), dry=dry)
        if not dry:
            self._applied[answer["metadata"]["uid"], f"{manager}/{target.sub}"] = copy.deepcopy(body)
        return answer

    def _unchanged(self, target: Target, current: Object, version: str | None, uid: str | None) -> None:
        metadata = current["metadata"]
        if version not in {None, "", metadata["resourceVersion"]} or uid not in {None, "", metadata["uid"]}:
            raise FailedError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {target.kind.plural} "{target.name}": the object has been modified; '
                "please apply your changes to the latest version and try again",
            )

    def _replace(self, target: Target, current: Object, content: Object, *, dry: bool) -> Object:
        if target.sub == "status":
            content = copy.deepcopy(current) | {"status": content.get("status", {})}
        elif target.kind.status:
            content.pop("status", None)
            if "status" in current:
                content["status"] = current["status"]
        metadata = content.setdefault("metadata", {})
        metadata |= {name: current["metadata"][name] for name in _KEPT if name in current["metadata"]}
        metadata["resourceVersion"] = current["metadata"]["resourceVersion"]
        final = _FINAL.get(target.kind.name)
        if final and content["spec"].get(final) != current["spec"].get(final):
            raise FailedError(422, "Invalid", f'{target.kind.name} "{target.name}": spec.{final}: field is immutable')
        return self._store(target, content, current, dry=dry)

    def _store(self, target: Target, content: Object, current: Object | None, *, dry: bool) -> Object:
        content |= {"kind": target.kind.name, "apiVersion": target.kind.api_version}
        if target.kind.namespaced:
            content["metadata"]["namespace"] = target.namespace
        if content == current:
            return content
        try:
            content = admit(target.kind, content)
        except RefusedError as error:
            raise FailedError(422, "Invalid", f'{target.kind.name} "{target.name}" is invalid: {error}') from error
        if current is not None:
            if "generation" in current["metadata"] and _meaning(content) != _meaning(current):
                content["metadata"]["generation"] = current["metadata"]["generation"] + 1
            if content == current:
                return current
        if dry:
            return content
        if (
            current is not None
            and "deletionTimestamp" in current["metadata"]
            and not content["metadata"].get("finalizers")
        ):
            self.store.put(target.key, content)
            self._remove(target.key)
            return content
        stored = self.store.put(target.key, content)
        if target.kind.name == "CustomResourceDefinition":
            self._define(stored)
        self.store.collect()
        return stored

    def _define(self, definition: Object) -> None:
        for kind in defined(definition):
            self.kinds.add(kind)

    def _delete(self, target: Target, options: Object, request: web.Request, *, collection: bool) -> Object:
        if collection:
            for key, content in list(self.store.of(target.kind, target.namespace)):
                if self._selected(request, content):
                    self._end(key, content, options)
            return {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}}
        current = self._present(target)
        wanted = options.get("preconditions", {})
        self._unchanged(target, current, wanted.get("resourceVersion"), wanted.get("uid"))
        self._end(target.key, current, options)
        return current

    def _end(self, key: Key, content: Object, options: Object) -> None:
        graceful = key.kind.name in self.store.graceful and options.get("gracePeriodSeconds") != 0
        if content["metadata"].get("finalizers") or graceful:
            if "deletionTimestamp" not in content["metadata"]:
                content["metadata"] |= {"deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}
                if "generation" in content["metadata"]:
                    content["metadata"]["generation"] += 1
                self.store.put(key, content)
            return
        self._remove(key)

    def _remove(self, key: Key) -> None:
        if key.kind.name == "CustomResourceDefinition" and (definition := self.store.get(key)) is not None:
            for kind in defined(definition):
                self.kinds.remove(kind)
        self.store.delete(key)


def now() -> str:
    """Return the present moment as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _user(request: web.Request, nobody: str) -> str:
    user = request.headers.get("Authorization", "").removeprefix("Bearer ") or nobody
    if user == "admin" or user.startswith("sa:"):
        return user
    raise FailedError(401, "Unauthorized", "Unauthorized")


def _meaning(content: Object) -> Object:
    return {name: value for name, value in content.items() if name not in {"metadata", "status"}}


async def _send(response: web.StreamResponse, type_: str, content: Object) -> None:
    await response.write(json.dumps({"type": type_, "object": content}).encode() + b"\n")
