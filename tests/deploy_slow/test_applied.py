"""docs/deploy.md's commands, from an empty cluster to a spoken answer: real kubectl, real services, told by manifests alone.

The API server is the tests' own, with its Deployments and its kubelet, which starts each image's real command with the pod's
environment and nothing else. What it has not, the test does: it runs the StatefulSet's server and the Job's command.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from earshot_local.nats_server import program
from earshot_local.plan import SERVICES
from support.kube.cluster import NAMESPACE, Cluster, cluster
from support.kube.processes import Process, Start, Started
from support.kube.proxy import Proxy
from support.manifests import DEPLOY
from support.nats import free_port

SCRIPTS = Path(sys.executable).parent
CACHE = "/var/cache/earshot"
READY_S = 420.0


@dataclass(slots=True)
class Applied:
    """A cluster to which the development overlay was applied.

    Attributes:
        cluster: The API server.
        folder: The test's own.
        proxy: Where Services are.
        bus: Where the bus is.
    """

    cluster: Cluster
    folder: Path
    proxy: Proxy
    bus: str = ""

    def found(self, kind: str, name: str, api_version: str = "v1") -> Any:
        """Return an object of the namespace, as it is stored."""
        return self.cluster.server.find(api_version, kind, name, NAMESPACE)

    def start(self, service: str, module: str, environment: Mapping[str, str]) -> Process:
        """Start what an image runs, with its caches in a folder of this machine and the bus where it is."""
        told = self.proxy.told(environment)
        for name, value in told.items():
            told[name] = value.replace(CACHE, str(self.folder / "cache" / service)).replace(
                "nats://nats:4222", self.bus
            )
        (self.folder / "cache" / service).mkdir(parents=True, exist_ok=True)
        return Started((sys.executable, "-P", "-m", module), told)


async def _run(*command: str, stdin: bytes = b"", **environment: str) -> str:
    """Run a command as the document has it; return what it printed."""
    process = await asyncio.create_subprocess_exec(
        str(SCRIPTS / command[0]),
        *command[1:],
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate(stdin)
    assert process.returncode == 0, (command, errors.decode()[-2000:])
    return out.decode()


@pytest_asyncio.fixture
async def applied(tmp_path: Path) -> AsyncIterator[Applied]:
    """Go from an empty cluster to one on which everything was applied."""
    images: dict[str, Start] = {}
    async with cluster(tmp_path / "pods", images) as double:
        assert double.kubelet is not None
        double.server.nobody = "admin"
        made = Applied(double, tmp_path, Proxy(double.server, NAMESPACE))
        kube = {"KUBECONFIG": str(double.kubeconfig(tmp_path)), "EARSHOT_HOME": str(tmp_path / "home")}
        kubectl = functools.partial(_run, "kubectl", **kube)
        await kubectl("apply", "--validate=false", "-f", str(DEPLOY / "overlays" / "dev" / "namespace.yaml"))
        secrets = await _run("earshot", "bus", "secrets", **kube)
        await kubectl("apply", "--validate=false", "-n", NAMESPACE, "-f", "-", stdin=secrets.encode())
        signing = "--from-literal=signing-secret=0123456789abcdef0123456789abcdef"
        # By way of its YAML: kubectl creates in protobuf, which this API server does not read.
        music = await kubectl("create", "secret", "generic", "skill-music", signing, "--dry-run=client", "-o", "yaml")
        await kubectl("apply", "--validate=false", "-n", NAMESPACE, "-f", "-", stdin=music.encode())
        await kubectl("apply", "--validate=false", "-k", str(DEPLOY / "overlays" / "dev"))
        made.proxy.start()
        async with _bus(made):
            await asyncio.to_thread(_job, made)
            for service in SERVICES:
                name = f"skill-{service.name}" if service.skill else service.name
                double.kubelet.images[f"earshot/{name}:0.1.0"] = functools.partial(made.start, name, service.module)
            try:
                yield made
            finally:
                made.proxy.stop()


@contextlib.asynccontextmanager
async def _bus(made: Applied) -> AsyncIterator[None]:
    """Be the StatefulSet: run its server with its configuration; only paths and ports are this machine's."""
    template = made.found("StatefulSet", "nats", "apps/v1")["spec"]["template"]["spec"]
    folder = made.folder / "nats"
    folder.mkdir()
    (sources,) = [volume["projected"]["sources"] for volume in template["volumes"] if volume["name"] == "config"]
    for source in sources:
        for name, text in made.found("ConfigMap", source["configMap"]["name"])["data"].items():
            (folder / name).write_text(text)
    port, monitor = free_port(), free_port()
    config = (folder / "nats.conf").read_text()
    for ours, here in (
        ("0.0.0.0:4222", f"127.0.0.1:{port}"),
        ("0.0.0.0:8222", f"127.0.0.1:{monitor}"),
        ("/var/run/nats", str(folder)),
        ('"/data"', f'"{folder}/data"'),
    ):
        config = config.replace(ours, here)
    (folder / "nats.conf").write_text(config)
    server = await asyncio.create_subprocess_exec(
        str(program()), "--config", str(folder / "nats.conf"), env={"POD_NAME": "nats-0"}, stderr=subprocess.DEVNULL
    )
    made.bus = f"nats://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=30)) as client:
            assert (await client.get(f"http://127.0.0.1:{monitor}/healthz")).status_code == httpx.codes.OK
        yield
    finally:
        server.terminate()
        await server.wait()


def _job(made: Applied) -> None:
    """Be the Job: run its command with its credentials."""
    container = made.found("Job", "bus-apply", "batch/v1")["spec"]["template"]["spec"]["containers"][0]
    copies = made.found("ConfigMap", "bus")["data"]["replicas"]
    credentials = made.folder / "admin.creds"
    credentials.write_bytes(base64.b64decode(made.found("Secret", "bus-admin")["data"]["user.creds"]))
    command = [part.replace("$(REPLICAS)", copies) for part in container["command"]]
    told = {"EARSHOT_NATS_URL": made.bus, "EARSHOT_NATS_CREDENTIALS": str(credentials)}
    subprocess.run([sys.executable, *command[1:]], env=told, check=True, capture_output=True)


async def _available(made: Applied) -> None:
    """Wait for what `kubectl wait --for=condition=Available deployment --all` waits for."""
    wanted = {f"skill-{service.name}" if service.skill else service.name for service in SERVICES}
    late = set(wanted)
    try:
        async with asyncio.timeout(READY_S):
            while late:
                await asyncio.sleep(0.5)
                late = {
                    name
                    for name in wanted
                    if not made.found("Deployment", name, "apps/v1").get("status", {}).get("availableReplicas")
                }
    except TimeoutError:
        raise AssertionError(f"never available: {sorted(late)}") from None


@pytest.mark.timeout(900)
async def test_from_an_empty_cluster_to_a_spoken_answer(applied: Applied) -> None:
    """What the manifests say is all that services need to become ready, and to answer what a device says."""
    await _available(applied)
    home = {"EARSHOT_HOME": str(applied.folder / "home")}
    grpc = [f"{name}={applied.proxy.address(name, 50_051)}" for name in ("dialogue", "tts")]
    attached = await asyncio.create_subprocess_exec(
        *(str(SCRIPTS / "earshot"), "attach", "--nats", applied.bus, "--grpc", grpc[0], "--grpc", grpc[1], "--json"),
        env={**os.environ, **home},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert attached.stdout is not None
        await asyncio.wait_for(attached.stdout.readuntil(b"\n}\n"), 60)
        assert await _run("earshot", "bus", "diff", **home) == "the bus holds what is declared\n"
        typed = json.loads(await _run("earshot", "ask", "set a timer for ten minutes", "--json", **home))
        assert typed["intent"] == "timers.set_timer"
        spoken = json.loads(await _run("earshot", "device", "say", "what time is it in Tokyo", "--json", **home))
        assert (spoken["kind"], spoken["intent"]) == ("answered", "clock.get_time")
        assert spoken["answer"].startswith("In Tokyo it is ")
        assert spoken["first_audio_s"] is not None
    finally:
        attached.terminate()
        await attached.wait()
