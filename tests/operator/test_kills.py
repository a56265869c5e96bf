"""The operator's process is killed in each stage of a Skill's life, kopf's own writes included, and started again.

It dies when the write is stored and the answer has not arrived: for whoever follows this is also the moment before the next write.
Of the first write it dies before, too. Every single write of its own is in test_last_writes, without a process for each.
"""

from __future__ import annotations

import asyncio
import json

import nats
import pytest

from earshot_registry.listing import list_bucket
from support.kube import real
from support.kube.asking import FailedError
from support.kube.images import Toy
from support.kube.operating import ACCOUNT, operating
from support.kube.steady import steady

KINDS = (
    ("v1", "ServiceAccount"),
    ("v1", "Service"),
    ("v1", "Secret"),
    ("apps/v1", "Deployment"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("keda.sh/v1alpha1", "ScaledObject"),
)
# An operator a step.
PATIENCE_S = 240.0
# Where it is killed. The Skill itself is written by kopf: its finalizer, as the first write of all and as the last.
STEPS = {
    ("create", "patch", "skills"),
    ("create", "create", "deployments"),
    ("create", "patch", "skills/status"),
    ("update", "patch", "deployments"),
    ("delete", "delete", "deployments"),
    ("delete", "delete", "secrets"),
    ("delete", "patch", "skills"),
}


class Killer:
    """Kills an operator at the first write of each step that concerns one skill."""

    def __init__(self, at_work, name):
        self._at_work = at_work
        self._name = name
        self.stage = "create"
        self.killed: list[tuple[str, ...]] = []
        self.dead = asyncio.Event()

    async def __call__(self, asked, phase):
        """Be told of a write."""
        concerns = self._name in asked.name
        step = (self.stage, phase, asked.verb, asked.resource)
        if asked.user != ACCOUNT or not concerns or step in self.killed or self._at_work.operator is None:
            return
        if (self.stage, asked.verb, asked.resource) not in STEPS or (phase == "before" and self.killed):
            return
        self.killed.append(step)
        self._at_work.kill()
        self.dead.set()
        if phase == "before":
            raise FailedError(503, "ServiceUnavailable", "whoever asked is dead")

    async def keep_alive(self):
        """Start another operator whenever one was killed."""
        while True:
            await self.dead.wait()
            self.dead.clear()
            self._at_work.start()


def shape(at_work, name):
    """Return everything that a skill has become, without what is another one in every life, and without its name."""
    found = {}
    for api_version, kind in KINDS:
        for content in at_work.double.server.listed(api_version, kind, at_work.namespace):
            if content["metadata"]["name"] in {f"skill-{name}", f"bus-skill-{name}"}:
                found[f"{kind}/{content['metadata']['name']}"] = steady(
                    content, "status", "revision", "verified-template"
                )
    conditions = [(each["type"], each["status"], each["reason"]) for each in at_work.status(name)["conditions"]]
    return json.loads(json.dumps([found, len(at_work.pods(name)), conditions], sort_keys=True).replace(name, "NAME"))


@pytest.mark.skipif(bool(real.wanted()), reason="an operator of our own is needed")
@pytest.mark.timeout(600)
async def test_whoever_follows_goes_on(stack, tmp_path):
    """In the end there is what an operator leaves that nobody disturbed; and nothing, when the Skill was deleted."""
    images = {
        f"{name}:{version}": Toy(version=f"{version}.0.0", id=name) for name in ("calm", "toy") for version in (1, 2)
    }
    async with operating(stack, tmp_path, images) as at_work:
        at_work.start()
        at_work.write("calm", image="calm:2")
        await at_work.serving("2.0.0", "calm")
        killer = Killer(at_work, "toy")
        at_work.double.server.witness = killer
        keeping = asyncio.create_task(killer.keep_alive())
        at_work.write(image="toy:1")
        await at_work.serving("1.0.0", patience_s=PATIENCE_S)
        killer.stage = "update"
        at_work.write(image="toy:2")
        await at_work.serving("2.0.0", patience_s=PATIENCE_S)
        assert shape(at_work, "toy") == shape(at_work, "calm")
        killer.stage = "delete"
        at_work.delete()
        await at_work.until(lambda: at_work.skill() is None, PATIENCE_S)
        keeping.cancel()
        left = [
            content["metadata"]["name"]
            for key, content in at_work.double.server.store.all().items()
            if "toy" in content["metadata"]["name"] and key.kind.name != "Event"
        ]
        assert left == []
        client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
        for bucket in ("SKILLS", "SKILL_ENDPOINTS"):
            entries = (await list_bucket(client, bucket)).entries
            assert {entry.key.split(".")[0] for entry in entries if entry.value is not None} == {"calm"}
        await client.close()
        assert {(stage, verb, resource) for stage, _, verb, resource in killer.killed} == STEPS
