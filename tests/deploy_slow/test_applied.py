"""docs/deploy.md's commands, from an empty cluster to a spoken answer, through an update, a rollback and a drained node.

kubectl is the real one, and so are the services, told by manifests alone. The API server is the tests' own, with its
Deployments, its nodes and its kubelet, which starts each image's real command with the pod's environment and nothing else. What
it has not, the test does: it runs the StatefulSet's server and the Job's command.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from deploy_slow.document import SCRIPTS, Desk, commands, edit
from earshot_local.nats_server import program
from earshot_local.plan import SERVICES
from earshot_topology.policies import ADMIN_NAMESPACE, NAMESPACE
from support.kube.cluster import Cluster, cluster
from support.kube.nodes import ready
from support.kube.processes import Process, Start, Started
from support.kube.proxy import Proxy
from support.nats import free_port

CACHE: Final = "/var/cache/earshot"
SCALED_OBJECTS: Final = Path(__file__).parents[1] / "support" / "crds" / "scaledobjects.yaml"
OVERLAY: Final = "kubectl apply -k deploy/overlays/dev"
JOB: Final = f"{OVERLAY}/admin"
NEWER: Final = "registry.example.com/earshot/asr:0.2.0"
# What a spoken turn for the clock goes through.
TURN: Final = ("asr", "nlu", "dialogue", "tts", "skill-clock")

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]


@dataclass(slots=True)
class Applied:
    """A cluster to which the development overlay was applied.

    Attributes:
        cluster: The API server.
        folder: The test's own.
        proxy: Where Services are.
        desk: Where commands are run.
        bus: Where the bus is.
    """

    cluster: Cluster
    folder: Path
    proxy: Proxy
    desk: Desk
    bus: str = ""

    def found(self, kind: str, name: str, api_version: str = "v1", namespace: str = NAMESPACE) -> Any:
        """Return an object of a namespace, as it is stored."""
        return self.cluster.server.find(api_version, kind, name, namespace)

    def pods(self, name: str) -> list[Any]:
        """Return a Deployment's pods that are ready and stay."""
        labels = self.found("Deployment", name, "apps/v1")["spec"]["selector"]["matchLabels"]
        return [
            pod
            for pod in self.cluster.server.listed("v1", "Pod", NAMESPACE)
            if labels.items() <= pod["metadata"]["labels"].items()
            and ready(pod)
            and "deletionTimestamp" not in pod["metadata"]
        ]

    def on(self, node: str) -> set[str]:
        """Return whose pods there are on a node."""
        return {
            pod["metadata"]["labels"]["app.kubernetes.io/name"]
            for pod in self.cluster.server.listed("v1", "Pod", NAMESPACE)
            if pod["spec"].get("nodeName") == node
        }

    def image(self, service: str, module: str) -> Start:
        """Return what a service's image starts."""
        return functools.partial(self._start, service, module)

    def _start(self, service: str, module: str, environment: Mapping[str, str]) -> Process:
        """Start what an image runs, with its caches in a folder of this machine and the bus where it is."""
        told = self.proxy.told(environment)
        for name, value in told.items():
            told[name] = value.replace(CACHE, str(self.folder / "cache" / service)).replace(
                "nats://nats:4222", self.bus
            )
        (self.folder / "cache" / service).mkdir(parents=True, exist_ok=True)
        return Started((sys.executable, "-P", "-m", module), told)

    async def type(self, command: str, intent: str) -> None:
        """Type a turn by the document's command, or another; it is answered."""
        typed = json.loads(await self.desk.run(f"{command} --json"))
        assert (typed["kind"], typed["intent"]) == ("answered", intent)

    async def say(self) -> None:
        """Speak a turn by the document's command; it is answered, and heard."""
        (command,) = [line for line in commands("On one node, for development") if line.startswith("earshot device")]
        spoken = json.loads(await self.desk.run(f"{command} --json"))
        assert (spoken["kind"], spoken["intent"]) == ("answered", "clock.get_time")
        assert spoken["answer"].startswith("In Tokyo it is ")
        assert spoken["first_audio_s"] is not None

    async def answers_during(self, *lines: str) -> None:
        """Run commands one after the other, and speak one turn after the other for as long as they take."""

        async def run() -> None:
            for line in lines:
                await self.desk.run(line)

        running, spoken = asyncio.create_task(run()), 0
        while not running.done():
            await self.say()
            spoken += 1
        await running
        assert spoken, "nobody spoke meanwhile"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def applied(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Applied]:
    """Go from an empty cluster to one that answers, by the document's commands."""
    folder = tmp_path_factory.mktemp("cluster")
    # Without KEDA's definition: the overlay needs none.
    async with cluster(folder / "pods", {}) as double:
        double.server.nobody = "admin"
        double.server.create(node("one"))
        desk = Desk.at(folder, double.kubeconfig(folder))
        made = Applied(double, folder, Proxy(double.server, NAMESPACE), desk)
        lines = commands("On one node, for development")
        then = lines.index(JOB) + 1
        for line in lines[:then]:
            await desk.run(line)
        made.proxy.start()
        async with _bus(made), _attached(made):
            await asyncio.to_thread(_job, made)
            assert double.kubelet is not None
            for service in SERVICES:
                name = f"skill-{service.name}" if service.skill else service.name
                double.kubelet.images[f"earshot/{name}:0.1.0"] = made.image(name, service.module)
            for line in lines[then:]:
                if line.startswith("kubectl "):
                    await desk.run(line)
            try:
                yield made
            finally:
                made.proxy.stop()


def node(name: str) -> dict[str, Any]:
    """Return a node that takes pods."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {}}


@contextlib.asynccontextmanager
async def _attached(made: Applied) -> AsyncIterator[None]:
    """Be `earshot attach`, with Services where they are on this machine."""
    grpc = [f"{name}={made.proxy.address(name, 50_051)}" for name in ("dialogue", "tts")]
    attached = await asyncio.create_subprocess_exec(
        *(str(SCRIPTS / "earshot"), "attach", "--url", made.bus, "--grpc", grpc[0], "--grpc", grpc[1], "--json"),
        env=made.desk.environment,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert attached.stdout is not None
        await asyncio.wait_for(attached.stdout.readuntil(b"\n}\n"), 60)
        yield
    finally:
        attached.terminate()
        await attached.wait()


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
    job = made.found("Job", "bus-apply", "batch/v1", ADMIN_NAMESPACE)
    container = job["spec"]["template"]["spec"]["containers"][0]
    copies = made.found("ConfigMap", "bus", namespace=ADMIN_NAMESPACE)["data"]["replicas"]
    credentials = made.folder / "admin.creds"
    secret = made.found("Secret", "bus-admin", namespace=ADMIN_NAMESPACE)
    credentials.write_bytes(base64.b64decode(secret["data"]["user.creds"]))
    command = [part.replace("$(REPLICAS)", copies) for part in container["command"]]
    told = {"EARSHOT_NATS_URL": made.bus, "EARSHOT_NATS_CREDENTIALS": str(credentials)}
    subprocess.run([sys.executable, *command[1:]], env=told, check=True, capture_output=True)
    complete = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    made.cluster.server.set_status(job | {"status": {"conditions": [complete]}})


async def test_from_an_empty_cluster_to_a_spoken_answer(applied: Applied) -> None:
    """What the manifests say is all that services need to become ready, and to answer what is typed and what a device says."""
    assert await applied.desk.run("earshot bus diff") == "the bus holds what is declared\n"
    (typed,) = [line for line in commands("On one node, for development") if line.startswith("earshot ask")]
    await applied.type(typed, "clock.get_time")
    await applied.type("earshot ask 'set a timer for ten minutes'", "timers.set_timer")
    await applied.say()


async def test_an_update_and_a_rollback_are_not_heard(applied: Applied) -> None:
    """Another version of one service rolls out and back by the document's commands, and every turn meanwhile is answered."""
    apply, status = commands("Update one service")[:2]
    await updated_and_back(applied, [OVERLAY, status], OVERLAY)
    # As a team does where there is KEDA.
    await applied.desk.run(f"kubectl apply -f {SCALED_OBJECTS}")
    await updated_and_back(applied, [apply, status], apply)


async def updated_and_back(applied: Applied, update: list[str], again: str) -> None:
    """Write another version into its folder, as the document says, and roll it out and back."""
    assert applied.cluster.kubelet is not None
    before = {pod["spec"]["containers"][0]["image"] for pod in applied.pods("asr")}
    applied.cluster.kubelet.images[NEWER] = applied.image("asr", "earshot_asr")
    kustomization = applied.desk.checkout / "deploy" / "base" / "asr" / "kustomization.yaml"
    older = kustomization.read_text()
    kustomization.write_text(f"{older}{edit('base/asr')}\n")
    await applied.answers_during(*update)
    assert [pod["spec"]["containers"][0]["image"] for pod in applied.pods("asr")] == [NEWER]
    await applied.say()
    undo, status = commands("Roll back")[0], update[-1]
    await applied.answers_during(undo, status)
    assert [{pod["spec"]["containers"][0]["image"]} for pod in applied.pods("asr")] == [before]
    kustomization.write_text(older)
    await applied.desk.run(again)
    await applied.desk.run(status)
    assert [{pod["spec"]["containers"][0]["image"]} for pod in applied.pods("asr")] == [before]
    await applied.say()


async def test_streams_come_of_the_image_that_brings_them(applied: Applied) -> None:
    """The Job is run anew by the document's commands, with the image that was named for it."""
    delete, apply, wait = commands("Update one service")[2:]
    kustomization = applied.desk.checkout / "deploy" / "components" / "bus-apply" / "kustomization.yaml"
    kustomization.write_text(f"{kustomization.read_text()}{edit('components/bus-apply')}\n")
    await applied.desk.run(delete)
    await applied.desk.run(apply.replace("overlays/prod", "overlays/dev"))
    job = applied.cluster.server.find("batch/v1", "Job", "bus-apply", "earshot-admin")
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == NEWER
    await asyncio.to_thread(_job, applied)
    await applied.desk.run(wait)


async def test_a_drained_node_is_not_heard(applied: Applied) -> None:
    """A node's pods are evicted and start elsewhere, one of a service at a time, and every turn meanwhile is answered."""
    applied.cluster.server.create(node("two"))
    # The development overlay has one of everything; an autoscaler would have two.
    for name in TURN:
        await applied.desk.run(f'kubectl -n earshot patch deployment {name} -p \'{{"spec":{{"replicas":2}}}}\'')
    for name in TURN:
        await applied.desk.run(f"kubectl -n earshot rollout status deployment/{name}")
    assert applied.on("two") == set(TURN)
    drain, back = (line.replace("NODE", "two") for line in commands("Drain a node"))
    await applied.answers_during(drain)
    assert applied.on("two") == set()
    await applied.say()
    for name in TURN:
        await applied.desk.run(f"kubectl -n earshot rollout status deployment/{name}")
    assert [len(applied.pods(name)) for name in TURN] == [2] * len(TURN)
    await applied.desk.run(back)
    assert not applied.cluster.server.find("v1", "Node", "two")["spec"].get("unschedulable")
