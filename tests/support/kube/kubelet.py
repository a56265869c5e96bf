"""A small kubelet: pods are processes of this machine, each with an address of its own in 127.0.0.0/8.

Of a pod it takes the first container: its environment (values, fields of the pod, keys of Secrets and ConfigMaps), its
volumes of Secrets (as folders, which follow their Secrets; variables that name a path in one are rewritten, as is the address 0.0.0.0), and its gRPC readiness probe, which it
really asks. What an image runs, the test says. An image that nobody knows can't be pulled; a process that ends is started
again after a second and shown as CrashLoopBackOff; a pod that is deleted gets SIGTERM, then SIGKILL.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.kube.asking import now
from support.kube.nodes import placed
from support.kube.processes import Process, Start
from support.kube.server import ApiServer
from support.kube.store import Object, copied

_POLL_S = 0.05
_AGAIN_S = 1.0
_GRACE_S = 8.0
# A loaded machine is not a pod that is not ready.
_PATIENCE_S = 5.0


class MissingError(Exception):
    """A Secret or a ConfigMap that the pod needs is not there."""


class Kubelet:
    """Runs the pods of a server.

    Args:
        server: Whose pods.
        images: What each image starts.
        folder: Where volumes are made.
    """

    def __init__(self, server: ApiServer, images: Mapping[str, Start], folder: Path) -> None:
        self._server = server
        self.images = dict(images)
        self._folder = folder
        self._pods: dict[str, asyncio.Task[None]] = {}
        server.store.graceful.add("Pod")

    async def run(self) -> None:
        """Work until cancelled; then end every process."""
        try:
            while True:
                changed = self._server.store.changed
                pods = {pod["metadata"]["uid"]: pod for pod in self._server.listed("v1", "Pod")}
                for uid, pod in pods.items():
                    if uid not in self._pods and placed(self._server, pod):
                        self._pods[uid] = asyncio.create_task(_Pod(self, self._server, self._folder, pod).live())
                for uid in self._pods.keys() - pods.keys():
                    self._pods.pop(uid).cancel()
                await changed.wait()
        finally:
            for task in self._pods.values():
                task.cancel()
            await asyncio.gather(*self._pods.values(), return_exceptions=True)


class _Pod:
    def __init__(self, kubelet: Kubelet, server: ApiServer, folder: Path, pod: Object) -> None:
        self._kubelet = kubelet
        self._server = server
        self._folder = folder / pod["metadata"]["name"]
        self._name = pod["metadata"]["name"]
        self._namespace = pod["metadata"]["namespace"]
        self._container = pod["spec"]["containers"][0]
        self._pod = pod
        self._address = f"127.{random.randint(16, 250)}.{random.randint(0, 250)}.{random.randint(2, 250)}"
        self._restarts = 0
        # When its volumes were last looked at.
        self._seen = 0
        self._process: Process | None = None

    async def live(self) -> None:
        try:
            await self._start()
        finally:
            if self._process is not None:
                self._process.kill()

    async def _start(self) -> None:
        while not self._leaving():
            if self._container["image"] not in self._kubelet.images:
                self._report(waiting=("ImagePullBackOff", "image not found"))
                await asyncio.sleep(_POLL_S)
                continue
            try:
                environment = self._environment()
            except MissingError as error:
                self._report(waiting=("CreateContainerConfigError", str(error)))
                await asyncio.sleep(_POLL_S)
                continue
            self._report()
            self._process = self._kubelet.images[self._container["image"]](environment)
            await self._watch(self._process)
            if not self._leaving():
                self._restarts += 1
                self._report(waiting=("CrashLoopBackOff", "back-off restarting failed container"))
                await asyncio.sleep(_AGAIN_S)
        if self._process is not None and self._process.alive():
            self._process.terminate()
            for _ in range(int(_GRACE_S / _POLL_S)):
                if not self._process.alive():
                    break
                await asyncio.sleep(_POLL_S)
            self._process.kill()
        self._server.remove(self._pod)

    async def _watch(self, process: Process) -> None:
        probe = self._container["readinessProbe"]
        failures = probe.get("failureThreshold", 3)
        async with grpc.aio.insecure_channel(f"{self._address}:{probe['grpc']['port']}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while process.alive() and not self._leaving():
                failures = 0 if await _serving(stub) else failures + 1
                self._report(ready=failures < probe.get("failureThreshold", 3))
                if self._seen != self._server.store.version:
                    self._seen = self._server.store.version
                    with contextlib.suppress(MissingError):
                        self._mount()
                await asyncio.sleep(_POLL_S)

    def _leaving(self) -> bool:
        found = self._server.find("v1", "Pod", self._name, self._namespace)
        return found is None or "deletionTimestamp" in found["metadata"]

    def _report(self, *, ready: bool = False, waiting: tuple[str, str] | None = None) -> None:
        state: Object = {"running": {"startedAt": self._pod["metadata"]["creationTimestamp"]}}
        if waiting is not None:
            state = {"waiting": {"reason": waiting[0], "message": waiting[1]}}
        said = "True" if ready else "False"
        pod = copied(self._pod)
        present = (self._server.find("v1", "Pod", self._name, self._namespace) or {}).get("status", {})
        before = next((each for each in present.get("conditions", []) if each["status"] == said), None)
        pod["status"] = {
            "phase": "Pending" if waiting is not None and not self._restarts else "Running",
            "podIP": self._address,
            "hostIP": "127.0.0.1",
            "startTime": self._pod["metadata"]["creationTimestamp"],
            "conditions": [before or {"type": "Ready", "status": said, "lastTransitionTime": now()}],
            "containerStatuses": [
                {
                    "name": self._container["name"],
                    "image": self._container["image"],
                    "imageID": self._container["image"],
                    "ready": ready,
                    "restartCount": self._restarts,
                    "state": state,
                }
            ],
        }
        self._server.set_status(pod)

    def _environment(self) -> dict[str, str]:
        folders = self._mount()
        made: dict[str, str] = {}
        for source in self._container.get("envFrom", []):
            found = self._server.find("v1", "ConfigMap", source["configMapRef"]["name"], self._namespace)
            if found is None and not source["configMapRef"].get("optional"):
                raise MissingError(f'configmap "{source["configMapRef"]["name"]}" not found')
            made |= (found or {}).get("data", {})
        for each in self._container.get("env", []):
            value = each["value"] if "value" in each else self._from(each.get("valueFrom", {}))
            if value is not None:
                for mount, folder in folders.items():
                    value = value.replace(mount, str(folder)) if value.startswith(mount) else value
                # All pods share one machine: "every address" is the pod's own.
                value = self._address if value == "0.0.0.0" else value
                made[each["name"]] = re.sub(r"\$\((\w+)\)", lambda name: made.get(name[1], name[0]), value)
        return made

    def _from(self, source: Object) -> str | None:
        if "fieldRef" in source:
            fields = {
                "metadata.name": self._name,
                "metadata.namespace": self._namespace,
                "status.podIP": self._address,
            }
            return fields[source["fieldRef"]["fieldPath"]]
        for name, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            if name in source:
                return self._keyed(kind, source[name])
        return None

    def _keyed(self, kind: str, reference: Object) -> str | None:
        found = self._server.find("v1", kind, reference["name"], self._namespace)
        value = (found or {}).get("data", {}).get(reference["key"])
        if value is None:
            if reference.get("optional"):
                return None
            raise MissingError(f'{kind.lower()} "{reference["name"]}" has no key {reference["key"]}')
        return base64.b64decode(value).decode() if kind == "Secret" else str(value)

    def _mount(self) -> dict[str, Path]:
        volumes = {volume["name"]: volume for volume in self._pod["spec"].get("volumes", [])}
        folders = {}
        for mount in self._container.get("volumeMounts", []):
            source = volumes[mount["name"]].get("secret")
            if source is None:
                continue
            secret = self._server.find("v1", "Secret", source["secretName"], self._namespace)
            if secret is None and source.get("optional"):
                continue
            if secret is None:
                raise MissingError(f'secret "{source["secretName"]}" not found')
            folder = self._folder / mount["name"]
            folder.mkdir(parents=True, exist_ok=True)
            for name, value in secret.get("data", {}).items():
                _write(folder / name, base64.b64decode(value))
            folders[mount["mountPath"]] = folder
        return folders


def _write(path: Path, content: bytes) -> None:
    """Put a file in the place of another one, at once."""
    if not path.exists() or path.read_bytes() != content:
        beside = path.with_suffix(".new")
        beside.write_bytes(content)
        beside.replace(path)


async def _serving(stub: Any) -> bool:
    with contextlib.suppress(grpc.aio.AioRpcError):
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_PATIENCE_S)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
    return False
