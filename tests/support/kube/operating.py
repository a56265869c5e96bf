"""The operator at work in a test: a real bus, the API server of our own, the real process with its own account.

Where a real cluster is named (see `real`), the same tests use that one, and the operator that runs in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import nats
import yaml

from earshot_local import Stack
from earshot_local.keyfile import load_keys
from earshot_registry.listing import list_bucket
from earshot_topology.policies import NAMESPACE, SKILLS_NAMESPACE
from support.kube import real, reasons
from support.kube.cluster import Cluster, cluster
from support.kube.operator_process import run_operator
from support.kube.processes import Forked, Start
from support.kube.real import RealApi
from support.kube.store import Object

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
_LABEL = "earshot.dev/skill"
ACCOUNT = f"sa:{NAMESPACE}:operator"
SKILL = ("earshot.dev/v1alpha1", "Skill")
# A real cluster pulls images, and gives a rollout ten minutes.
PATIENCE_S = 900.0 if real.wanted() else 120.0


class Api(Protocol):
    """What tests do with a cluster: `ApiServer` and `RealApi` do it."""

    def create(self, content: Object, namespace: str = "") -> Object:
        """Create an object."""

    def rewrite(self, content: Object) -> Object:
        """Replace an object."""

    def label(self, content: Object, labels: Mapping[str, str]) -> None:
        """Give an object more labels."""

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> None:
        """Delete an object."""

    def find(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        """Return an object, or None."""

    def listed(self, api_version: str, kind: str, namespace: str = "") -> list[Object]:
        """Return a kind's objects."""

    async def changed(self) -> None:
        """Wait for something to change, or a moment."""


@dataclass(slots=True, kw_only=True)
class Operating:
    """What a test has in its hands.

    Attributes:
        api: The cluster.
        cluster: The API server of our own; None where the cluster is a real one.
        stack: The bus; None where it is the cluster's.
        folder: The test's own.
        settings: Variables of the operator.
        skill_id: The skill whose images the test has.
        namespace: Where it is.
        versions: Two images of it, and the versions that they register; a real cluster may lack the second.
        operator: The operator's process, while one runs.
    """

    api: Api
    cluster: Cluster | None
    stack: Stack | None
    folder: Path
    settings: Mapping[str, str]
    skill_id: str = "toy"
    namespace: str = SKILLS_NAMESPACE
    versions: tuple[tuple[str, str], ...] = (("toy:1", "1.0.0"), ("toy:2", "2.0.0"))
    operator: Forked | None = None

    @property
    def double(self) -> Cluster:
        """The API server of our own.

        Raises:
            RuntimeError: The cluster is a real one.
        """
        if self.cluster is None:
            raise RuntimeError("this is a real cluster")
        return self.cluster

    def start(self, **settings: str) -> None:
        """Start an operator; a real cluster has its own."""
        if self.cluster is None or self.stack is None:
            return
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self.cluster.kubeconfig(self.folder, ACCOUNT)),
            "EARSHOT_NATS_URL": self.stack.nats_url,
            "EARSHOT_NATS_CREDENTIALS": str(self.stack.creds("operator")),
            "EARSHOT_OPERATOR_SIGNING_FOLDER": str(self.folder / "signing"),
            "EARSHOT_OPERATOR_POLL_S": "0.2",
            "EARSHOT_OPERATOR_PROGRESS_DEADLINE_S": "2",
            "EARSHOT_DRAIN_TIMEOUT_S": "2",
            **self.settings,
            **settings,
        }
        self.operator = Forked(run_operator, environment, str(self.folder / "operator.log"))

    def kill(self) -> None:
        """SIGKILL the operator."""
        if self.operator is not None:
            self.operator.kill()
            self.operator = None

    def restart(self) -> None:
        """SIGKILL the operator, wherever it is, and have another one: a real cluster's Deployment starts it."""
        if self.cluster is None:
            real.end_pods(self.api, NAMESPACE, "operator")
            return
        self.kill()
        self.start()

    @property
    def log(self) -> str:
        """What operators have said."""
        path = self.folder / "operator.log"
        return path.read_text() if path.exists() else ""

    # Skills.

    def write(self, name: str = "", **spec: Any) -> None:
        """Create a Skill, or give it another spec."""
        content = {"locales": ["en-US"], "scale": {"min": 1}, **spec}
        present = self.skill(name)
        if present is None:
            skill = {"apiVersion": SKILL[0], "kind": SKILL[1], "metadata": {"name": name or self.skill_id}}
            self.api.create(skill | {"spec": content}, self.namespace)
            return
        self.api.rewrite(present | {"spec": content})

    def scale(self, replicas: int) -> None:
        """Say how many replicas there are to be, as an autoscaler does."""
        deployment = self.double.server.find("apps/v1", "Deployment", f"skill-{self.skill_id}", self.namespace) or {}
        deployment["spec"]["replicas"] = replicas
        self.api.rewrite(deployment)

    def delete(self, name: str = "") -> None:
        """Delete a Skill, as kubectl does."""
        self.api.delete(*SKILL, name or self.skill_id, self.namespace)

    def skill(self, name: str = "") -> Object | None:
        """Return a Skill as it is."""
        return self.api.find(*SKILL, name or self.skill_id, self.namespace)

    def status(self, name: str = "") -> Object:
        """Return a Skill's status; empty while there is none."""
        return (self.skill(name) or {}).get("status", {})

    def condition(self, type_: str, name: str = "") -> tuple[str, str]:
        """Return status and reason of a condition."""
        told = self.status(name).get("conditions", [])
        reasons.check(told)
        for each in told:
            if each["type"] == type_:
                return each["status"], each["reason"]
        return "", ""

    def degraded_by(self, image: str, reason: str) -> bool:
        """Tell whether the status speaks of an image, and says for this reason that it does not work."""
        skill = self.skill() or {}
        seen = self.status().get("observedGeneration") == skill["metadata"]["generation"]
        return seen and skill["spec"]["image"] == image and self.condition("Degraded") == ("True", reason)

    async def leave(self, bucket: str, key: str) -> None:
        """Write an entry that nobody renews, as a process leaves one that was killed."""
        if self.stack is not None:
            client = await nats.connect(self.stack.nats_url, user_credentials=str(self.stack.creds("admin")))
            await client.jetstream().publish(f"$KV.{bucket}.{key}", b"")
            await client.close()

    async def registered(self, bucket: str) -> set[str] | None:
        """Return the keys of a bucket that hold something of the skill; None where the bus can't be asked."""
        url, credentials = real.bus() if self.stack is None else (self.stack.nats_url, str(self.stack.creds("admin")))
        if not url:
            return None
        client = await nats.connect(url.split(","), user_credentials=credentials)
        listing = await list_bucket(client, bucket)
        await client.close()
        keys = {entry.key for entry in listing.entries if entry.value is not None}
        return {key for key in keys if key.startswith(f"{self.skill_id}.")}

    def find(self, api_version: str, kind: str, name: str) -> Object | None:
        """Return an object of the namespace."""
        return self.api.find(api_version, kind, name, self.namespace)

    def pods(self, name: str = "", *, leaving: bool = False) -> list[Object]:
        """Return a skill's pods; those that are on their way out only if they are asked for."""
        wanted = name or self.skill_id
        pods = [pod for pod in self.listed("v1", "Pod") if pod["metadata"].get("labels", {}).get(_LABEL) == wanted]
        return [pod for pod in pods if leaving or "deletionTimestamp" not in pod["metadata"]]

    def pods_of(self, image: str) -> list[Object]:
        """Return the skill's pods of an image."""
        return [pod for pod in self.pods() if pod["spec"]["containers"][0]["image"] == image]

    def told(self, name: str = "") -> list[tuple[str, str]]:
        """Return type and reason of every event about a skill as it is now."""
        uid = (self.skill(name) or {"metadata": {"uid": ""}})["metadata"]["uid"]
        events = [each for each in self.listed("v1", "Event") if each["involvedObject"].get("uid") == uid]
        return [(each["type"], each["reason"]) for each in events]

    def listed(self, api_version: str, kind: str) -> list[Object]:
        """Return a kind's objects of the namespace."""
        return self.api.listed(api_version, kind, self.namespace)

    async def until(self, holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Wait for something to hold; what the operator said is shown if it never does."""
        try:
            async with asyncio.timeout(patience_s):
                while not holds():
                    await self.api.changed()
        except TimeoutError:
            raise AssertionError(f"never: {self.status()}\n{self.log[-4000:]}") from None

    async def serving(self, version: str, name: str = "", patience_s: float = PATIENCE_S) -> None:
        """Wait until a version serves and there is nothing left to do."""
        wanted = (("False", "UpToDate"), version)
        await self.until(
            lambda: (self.condition("Progressing", name), self.status(name).get("version")) == wanted, patience_s
        )


@contextlib.asynccontextmanager
async def bus(folder: Path) -> AsyncIterator[Stack]:
    """Run a nats-server in operator mode with everything declared on it."""
    async with Stack(home=folder, services=(), tracestore=False) as stack:
        await stack.ready()
        yield stack


@contextlib.asynccontextmanager
async def operating(
    stack: Stack | None, folder: Path, images: Mapping[str, Start], *, skill_id: str = "toy", **settings: str
) -> AsyncIterator[Operating]:
    """Have a cluster with our definitions, the operator's rights and no operator yet.

    Args:
        stack: The bus; None for a real cluster's.
        folder: The test's own.
        images: What pods run.
        skill_id: The skill that the images are of.
        settings: More variables of the operator.
    """
    if stack is None:
        api = RealApi(real.wanted())
        yield Operating(
            api=api,
            cluster=None,
            stack=None,
            folder=folder,
            settings=settings,
            skill_id=real.skill(api.find, api.namespace),
            namespace=api.namespace,
            versions=tuple(each for each in map(real.image, (1, 2)) if each[0]),
        )
        return
    signing = folder / "signing"
    signing.mkdir()
    keys = load_keys(stack.home)
    (signing / "seed").write_bytes(keys.skill_signing.seed)
    (signing / "account").write_text(keys.skill_signing.account)
    definitions = [DEPLOY / "crds" / "skills.yaml", Path(__file__).parents[1] / "crds" / "scaledobjects.yaml"]
    async with cluster(folder / "pods", images, definitions=definitions) as running:
        for component, namespace in (("operator", NAMESPACE), ("skills", SKILLS_NAMESPACE)):
            for name in ("serviceaccount", "role", "rolebinding"):
                path = DEPLOY / "components" / component / f"{name}.yaml"
                if path.exists():
                    running.server.create(yaml.safe_load(path.read_text()), namespace)
        url = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bus"}, "data": {"url": stack.nats_url}}
        running.server.create(url, SKILLS_NAMESPACE)
        at_work = Operating(
            api=running.server, cluster=running, stack=stack, folder=folder, settings=settings, skill_id=skill_id
        )
        try:
            yield at_work
        finally:
            at_work.kill()
