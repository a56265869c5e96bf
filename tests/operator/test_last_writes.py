"""Each write of an operator may be its last: whoever follows it finds what it left, and ends where one does that nobody disturbed.

The operator's own code makes its passes one by one, without a process for each. Where it is killed, its write is stored, the answer
does not arrive, and nothing that it asks for after that is done.
"""

from __future__ import annotations

import asyncio

import pytest

from earshot.skill.v1 import skill_pb2
from earshot_operator.core.verdicts import Description
from earshot_registry.wire import description_key, endpoint_key
from earshot_topology.policies import SKILLS_NAMESPACE
from earshot_topology.streams import SKILL_ENDPOINTS, SKILLS
from support.kube.asking import FailedError
from support.kube.passing import passing
from support.kube.steady import steady
from support.nats import nats_server

# A pass that is killed again and again ends by then, or never.
AT_MOST = 60


class Fate:
    """Counts the writes that change something; kills at each one, if it is to.

    Attributes:
        stage: What the Skill goes through.
        writes: Stage, verb, resource and name of each.
        renew: What a replica does meanwhile: its lease is over in seconds, which a busy machine needs for more than one life.
    """

    def __init__(self, one, *, kills):
        self._one = one
        self._kills = kills
        self._version = 0
        self._dead = False
        self._life = None
        self.stage = ""
        self.writes = []
        self.renew = None
        one.cluster.server.witness = self
        one.cluster.server.outage = lambda _: self._dead

    async def __call__(self, asked, phase):
        """Be told of a write."""
        store = self._one.cluster.server.store
        if phase == "before":
            self._version = store.version
        elif store.version > self._version:
            # An event's name is another one in every life.
            name = asked.name if asked.resource != "events" else ""
            self.writes.append((self.stage, asked.verb, asked.resource, name))
            if self._kills:
                self._dead = True
                self._life.cancel()
                raise FailedError(503, "ServiceUnavailable", "whoever asked is dead")

    async def settle(self, function):
        """Call one operator after the other until one of them ends; return with what."""
        for _ in range(AT_MOST):
            self._dead = False
            if self.renew is not None:
                await self.renew()
            self._one.restart()
            self._life = asyncio.ensure_future(function())
            await asyncio.wait({self._life})
            if not self._dead:
                return self._life.result()
        raise AssertionError(f"it never ends: {self.writes[-5:]}")


async def register(bus, version, instance):
    """Register a replica, as a skill does."""
    client = await bus.connect()
    described = skill_pb2.SkillDescription(skill_id="toy", version=version, digest="d")
    endpoint = skill_pb2.SkillEndpoint(skill_id="toy", version=version, instance_id=instance, target="127.0.0.1:9")
    for bucket, key, value in (
        (SKILLS.bucket, description_key("toy", version), described),
        (SKILL_ENDPOINTS.bucket, endpoint_key("toy", version, instance), endpoint),
    ):
        await client.jetstream().publish(f"$KV.{bucket}.{key}", value.SerializeToString())
    await client.close()


async def live(folder, bus, *, kills):
    """Take a Skill through its life; return what stood there after each stage, and every write."""
    stood = []
    async with passing(folder, bus) as one:
        server = one.cluster.server
        fate = Fate(one, kills=kills)

        async def stage(name):
            fate.stage = name
            for _ in range(2):
                # Once more: what was created is claimed by the one who looks at it next.
                assert await fate.settle(lambda: one.once(lasting=False)) == ""
                one.see()
            found = {f"{key.kind.name}/{key.name}": content for key, content in server.store.all().items()}
            made = {place: steady(found[place]) for place in sorted(found) if "toy" in place and "Event/" not in place}
            stood.append((name, made, sorted(set(one.events()))))

        async def replace_pod(version, instance):
            for pod in server.listed("v1", "Pod", SKILLS_NAMESPACE):
                server.remove(pod)
            one.said = Description(skill_id="toy", version=version, locales=("en-US",), timeout_s=2.0)
            one.run_pod(instance)
            fate.renew = lambda: register(bus, version, instance)
            one.roll_out()

        await stage("create")
        await replace_pod("1.0.0", "one")
        await stage("describe")
        assert one.conditions()["Progressing"] == ("False", "UpToDate")
        server.rewrite(one.skill | {"spec": one.skill["spec"] | {"image": "toy:2", "scheduler": True}})
        await stage("update")
        await replace_pod("2.0.0", "two")
        await stage("describe the update")
        assert one.conditions()["Progressing"] == ("False", "UpToDate")
        server.rewrite(one.skill | {"spec": one.skill["spec"] | {"image": "toy:3", "scheduler": False}})
        await stage("fail to update")
        await replace_pod("3.0.0", "three")
        one.said = Description(skill_id="other", version="3.0.0", locales=("en-US",), timeout_s=2.0)
        await stage("refuse")
        assert one.conditions()["Degraded"] == ("True", "WrongSkill")
        template = server.find("apps/v1", "Deployment", "skill-toy", SKILLS_NAMESPACE)["spec"]["template"]
        assert template["spec"]["containers"][0]["image"] == "toy:2", "what was right before runs again"
        fate.stage = "delete"
        assert await fate.settle(one.remove) == "pods_remain"
        for pod in server.listed("v1", "Pod", SKILLS_NAMESPACE):
            server.remove(pod)
        assert await fate.settle(one.remove) == ""
        assert server.find("v1", "Secret", "bus-skill-toy", SKILLS_NAMESPACE) is None
        server.remove(one.skill)
        left = [key.name for key in server.store.all() if "toy" in key.name and key.kind.name != "Event"]
        assert left == [], left
    return stood, fate.writes


@pytest.mark.timeout(600)
async def test_each_write_may_be_the_last(tmp_path):
    """Killed at every write that changes anything, in creation, update, refusal and deletion: the end is the same."""
    lives = []
    async with nats_server(tmp_path / "bus") as bus:
        for kills in (False, True):
            (folder := tmp_path / str(kills)).mkdir()
            lives.append(await live(folder, bus, kills=kills))
    (calm, all_writes), (disturbed, killed_at) = lives
    for (name, made, told), (_, calmly, quietly) in zip(disturbed, calm, strict=True):
        assert made.keys() == calmly.keys(), name
        assert [place for place in made if made[place] != calmly[place]] == [], name
        assert told == quietly, name
    # What an event is called follows from the second in which a condition changed: two of one second are one.
    survived = {write for write in set(all_writes) - set(killed_at) if write[2] != "events"}
    assert survived == set(), "each write of an undisturbed life was somebody's last"
    assert "events" in {resource for _, _, resource, _ in killed_at}
    assert len(killed_at) > 35
    assert {stage for stage, *_ in killed_at} == {stage for stage, *_ in calm} | {"delete"}
