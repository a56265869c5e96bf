"""Passes of the operator one by one, in the test's own process: its own code, the API server of ours, a real bus."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from earshot_chassis.bus import Bus
from earshot_chassis.errors import EarshotError
from earshot_chassis.settings import ServiceSettings
from earshot_operator.core.verdicts import Description
from earshot_operator.credentials import Issuer
from earshot_operator.kube import Kube, connect
from earshot_operator.reconciling import Reconciler, Tools
from earshot_operator.registration import Registrations
from earshot_operator.removing import Remover
from earshot_operator.settings import OperatorSettings
from earshot_topology import jwt
from earshot_topology.policies import NAMESPACE, SKILLS_NAMESPACE
from support.kube import reasons
from support.kube.cluster import Cluster, cluster
from support.kube.store import Object
from support.nats import NatsServer

ROOT = Path(__file__).resolve().parents[3]
SKILL = ("earshot.dev/v1alpha1", "Skill")


@dataclass(slots=True, kw_only=True)
class Passing:
    """One Skill, "toy", and whoever passes over it.

    Attributes:
        cluster: Where it is; nothing there runs pods.
        tools: What operators work with.
        reconciler: The operator's.
        said: What a pod answers to Describe; an exception is raised.
    """

    cluster: Cluster
    tools: Tools
    reconciler: Reconciler
    said: Description | Exception = field(
        default_factory=lambda: Description(skill_id="toy", version="1.0.0", locales=("en-US",), timeout_s=2.0)
    )

    async def once(self, *, lasting: bool = True) -> str:
        """Do one pass; return the code with which it failed, or an empty string.

        Args:
            lasting: Whether passes have failed for long already.
        """
        # Not by the clock: a pass may take as long as a busy machine needs.
        since = -math.inf if lasting else math.inf
        try:
            await self.reconciler.reconcile("toy", since)
        except EarshotError as error:
            return error.code
        return ""

    def restart(self) -> None:
        """Have another operator, which knows nothing of the one before it."""
        self.reconciler = Reconciler(self.tools)

    async def remove(self) -> str:
        """Take along what the Skill has made, as an operator does that has just begun; return as `once` does."""
        tools = self.tools
        remover = Remover(tools.kube, tools.services, tools.registrations, keda=True, patience_s=0)
        try:
            await remover.remove("toy", self.skill["metadata"]["uid"], again=False)
        except EarshotError as error:
            return error.code
        return ""

    def asked(self) -> list[tuple[str, str]]:
        """Return verb and resource of every request since this was asked last."""
        log = self.cluster.server.access.log
        asked = [(each.verb, each.resource) for each in log]
        log.clear()
        return asked

    @property
    def skill(self) -> Object:
        """The Skill as it is."""
        return self.cluster.server.find(*SKILL, "toy", SKILLS_NAMESPACE) or {}

    def conditions(self) -> dict[str, tuple[str, str]]:
        """Return status and reason by type."""
        told = self.skill.get("status", {}).get("conditions", [])
        reasons.check(told)
        return {each["type"]: (each["status"], each["reason"]) for each in told}

    def events(self) -> list[str]:
        """Return the reason of every event."""
        return [each["reason"] for each in self.cluster.server.listed("v1", "Event", SKILLS_NAMESPACE)]

    def run_pod(self, name: str) -> None:
        """Put a pod there that is ready, of the template that the Deployment has."""
        deployment = self.cluster.server.find("apps/v1", "Deployment", "skill-toy", SKILLS_NAMESPACE) or {}
        template: dict[str, Any] = deployment["spec"]["template"]
        pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
        made = self.cluster.server.create(pod | {"metadata": template["metadata"] | {"name": name}}, SKILLS_NAMESPACE)
        ready = {"phase": "Running", "podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
        self.cluster.server.set_status(made | {"status": ready})

    def see(self) -> None:
        """Have the Deployment's controller see its newest spec, by which nothing changes."""
        deployment = self.cluster.server.find("apps/v1", "Deployment", "skill-toy", SKILLS_NAMESPACE)
        if deployment is not None and "status" in deployment:
            seen = {"observedGeneration": deployment["metadata"]["generation"]}
            self.cluster.server.set_status(deployment | {"status": deployment["status"] | seen})

    def roll_out(self) -> None:
        """Say of the Deployment what its controller says when all of it runs."""
        deployment = self.cluster.server.find("apps/v1", "Deployment", "skill-toy", SKILLS_NAMESPACE) or {}
        deployment["spec"]["replicas"] = 1
        self.cluster.server.rewrite(deployment)
        deployment = self.cluster.server.find("apps/v1", "Deployment", "skill-toy", SKILLS_NAMESPACE) or {}
        counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), 1)
        seen = {"observedGeneration": deployment["metadata"]["generation"]}
        self.cluster.server.set_status(deployment | {"status": counts | seen})


@contextlib.asynccontextmanager
async def passing(folder: Path, bus: NatsServer) -> AsyncIterator[Passing]:
    """Have a Skill that nobody has passed over yet."""
    definitions = [ROOT / "deploy" / "crds" / "skills.yaml", ROOT / "tests" / "support" / "crds" / "scaledobjects.yaml"]
    keys = jwt.Keys.generate().skill_signing
    (folder / "seed").write_bytes(keys.seed)
    (folder / "account").write_text(keys.account)
    connection = Bus("operator", ServiceSettings(nats_url=bus.url))
    await connection.connect()
    closing = contextlib.AsyncExitStack()
    closing.push_async_callback(connection.close)
    async with closing, cluster(folder, definitions=definitions, controllers=False) as running:
        settings = OperatorSettings()

        async def describe(_target: str) -> Description:
            if isinstance(made.said, Exception):
                raise made.said
            return made.said

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECONFIG", str(running.kubeconfig(folder)))
            patch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
            client = connect()
        with client:
            tools = Tools(
                kube=Kube(client, SKILLS_NAMESPACE),
                services=Kube(client, NAMESPACE),
                registrations=Registrations(connection),
                issuer=Issuer(folder, 24.0),
                describe=describe,
                platform=settings.platform(),
                grpc_port=settings.grpc_port,
            )
            made = Passing(cluster=running, tools=tools, reconciler=Reconciler(tools))
            spec = {"image": "toy:1", "locales": ["en-US"], "scale": {"min": 1}}
            skill = {"apiVersion": SKILL[0], "kind": SKILL[1], "metadata": {"name": "toy"}, "spec": spec}
            running.server.create(skill, SKILLS_NAMESPACE)
            yield made
