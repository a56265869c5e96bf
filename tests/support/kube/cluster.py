"""A server with its controllers, for as long as a test needs it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from earshot_topology.policies import NAMESPACE, SKILLS_NAMESPACE
from support.kube.deployments import Deployments
from support.kube.kubelet import Kubelet
from support.kube.processes import Start
from support.kube.server import ApiServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running server.

    Attributes:
        url: Where it listens.
        server: What it holds, without HTTP.
        kubelet: What runs its pods; None if nothing does.
    """

    url: str
    server: ApiServer
    kubelet: Kubelet | None

    def kubeconfig(self, folder: Path, user: str = "admin", namespace: str = NAMESPACE) -> Path:
        """Write a kubeconfig for a user; return where it is."""
        path = folder / f"kubeconfig-{user.replace(':', '-')}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "double",
            "clusters": [{"name": "double", "cluster": {"server": self.url}}],
            "users": [{"name": "user", "user": {"token": user}}],
            "contexts": [{"name": "double", "context": {"cluster": "double", "user": "user", "namespace": namespace}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path


@contextlib.asynccontextmanager
async def cluster(
    folder: Path,
    images: Mapping[str, Start] | None = None,
    *,
    definitions: Iterable[Path] = (),
    controllers: bool = True,
) -> AsyncIterator[Cluster]:
    """Run a server on a free port.

    Args:
        folder: Where pods have their volumes.
        images: What each image starts; None: there are Deployments, and no pod ever starts.
        controllers: Whether anybody works on Deployments.
        definitions: Files of CustomResourceDefinitions to begin with.
    """
    server = ApiServer()
    for name in ("default", "kube-system", NAMESPACE, SKILLS_NAMESPACE):
        server.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for path in definitions:
        server.create(yaml.safe_load(path.read_text()))
    kubelet = Kubelet(server, images, folder) if images is not None else None
    tasks = [asyncio.create_task(Deployments(server).run())] if controllers else []
    if kubelet is not None:
        tasks.append(asyncio.create_task(kubelet.run()))
    url = await server.start()
    try:
        yield Cluster(url=url, server=server, kubelet=kubelet)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await server.stop()
        for error in ended:
            if isinstance(error, Exception):
                raise error
