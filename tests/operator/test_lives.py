"""A Skill from its creation to its end: the real operator, a real skill, a real bus; on a real cluster, too."""

from __future__ import annotations

import asyncio
import base64
import time
from urllib.parse import urlsplit

import psutil
import pytest

from earshot_operator.credentials import load_signing
from earshot_topology import flows
from earshot_topology.jwt import read_claims, skill_user
from earshot_topology.policies import NAMESPACE, SCHEDULING_LABEL
from support.flows import OPERATOR
from support.kube import real
from support.kube.access import rights
from support.kube.images import Toy
from support.kube.nodes import ready
from support.kube.operating import ACCOUNT, operating

pytestmark = pytest.mark.timeout(3600 if real.wanted() else 500)
OWNED = (
    ("v1", "ServiceAccount"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("keda.sh/v1alpha1", "ScaledObject"),
)
TOYS = {"toy:1": Toy(version="1.0.0"), "toy:2": Toy(version="2.0.0")}


def credential(at_work):
    """Return what the skill's credential says."""
    secret = at_work.find("v1", "Secret", f"bus-skill-{at_work.skill_id}")
    return read_claims(base64.b64decode(secret["data"]["user.creds"]).decode())


def connected(at_work):
    """Return the flows that the operator's process holds open; whom nobody knows is called by its port."""
    held = psutil.Process(at_work.operator.pid).net_connections("tcp")
    known = {
        urlsplit(at_work.stack.nats_url).port: flows.BUS,
        urlsplit(at_work.cluster.url).port: flows.KUBERNETES,
        # A pod has an address of its own.
        flows.GRPC_PORT: flows.HOSTED,
    }
    listening = {each.laddr.port for each in held if each.status == psutil.CONN_LISTEN}
    opened = {each.raddr.port for each in held if each.raddr and each.laddr.port not in listening}
    return {(flows.OPERATOR, known.get(port, str(port))) for port in opened}


def grow_old(at_work):
    """Put a credential in the place of the skill's that has an hour left."""
    secret = at_work.find("v1", "Secret", f"bus-skill-{at_work.skill_id}")
    file = skill_user(load_signing(at_work.folder / "signing"), at_work.skill_id, expires=int(time.time()) + 3600)
    at_work.api.rewrite(secret | {"data": {"user.creds": base64.b64encode(file.encode()).decode()}})


async def test_a_skill_lives_and_goes(stack, tmp_path):
    """Created, it serves with rights of its own; updated, it rolls; deleted, it leaves nothing. No right is idle."""
    async with operating(stack, tmp_path, TOYS, EARSHOT_OPERATOR_RESYNC_S="0.5") as at_work:
        name = f"skill-{at_work.skill_id}"
        image, version = at_work.versions[0]
        at_work.start()
        at_work.write(image=image, scheduler=True)
        await at_work.serving(version)
        assert {pod["metadata"]["labels"].get(SCHEDULING_LABEL) for pod in at_work.pods()} == {"true"}
        uid = at_work.skill()["metadata"]["uid"]
        for api_version, kind in OWNED:
            found = at_work.find(api_version, kind, name)
            assert found["metadata"]["ownerReferences"][0]["uid"] == uid, kind
        assert await at_work.registered("SKILLS") in (None, {f"{at_work.skill_id}.{version}"})
        claims = credential(at_work)
        assert (claims["name"], claims["nats"].get("pub")) == (at_work.skill_id, None), "its rights are a template"
        if at_work.cluster is not None:
            seen = connected(at_work)
            assert seen - {(flows.OPERATOR, flows.HOSTED)} == OPERATOR
            pods = [pod["metadata"]["uid"] for pod in at_work.pods()]
            at_work.write(image=image, scheduler=True, secrets=[{"env": "A", "name": "bus-admin", "key": "user.creds"}])
            await at_work.until(lambda: at_work.degraded_by(image, "InvalidSpec"))
            grow_old(at_work)
            await at_work.until(lambda: credential(at_work)["exp"] >= claims["exp"])
            at_work.write(image=image, scheduler=True)
            await at_work.serving(version)
            assert [pod["metadata"]["uid"] for pod in at_work.pods()] == pods, "nobody is replaced for it"

        for image, version in at_work.versions[1:]:
            at_work.write(image=image)
            await at_work.serving(version)
            assert {pod["metadata"]["labels"].get(SCHEDULING_LABEL) for pod in at_work.pods()} == {None}
            assert at_work.status()["observedGeneration"] == at_work.skill()["metadata"]["generation"]
            assert {pod["spec"]["containers"][0]["image"] for pod in at_work.pods()} == {image}
            assert await at_work.registered("SKILLS") in (None, {f"{at_work.skill_id}.{version}"})
        told = {event["reason"] for event in at_work.listed("v1", "Event") if event["involvedObject"].get("uid") == uid}
        assert {"RollingOut", "Serving", "UpToDate"} <= told

        for bucket in ("SKILLS", "SKILL_ENDPOINTS"):
            await at_work.leave(bucket, f"{at_work.skill_id}.0.9.0.gone")
        at_work.delete()
        await at_work.until(lambda: at_work.skill() is None)
        await at_work.until(lambda: not any(at_work.find(*kind, name) for kind in OWNED))
        assert at_work.pods(leaving=True) == []
        assert at_work.find("v1", "Secret", f"bus-{name}") is None
        for bucket in ("SKILLS", "SKILL_ENDPOINTS"):
            assert not await at_work.registered(bucket)

        if at_work.cluster is not None:
            for namespace in (at_work.namespace, NAMESPACE):
                role = at_work.double.server.find("rbac.authorization.k8s.io/v1", "Role", "operator", namespace)
                log = [one for one in at_work.double.server.access.log if one.user == ACCOUNT]
                asked = {one.right for one in log if one.namespace == namespace}
                assert asked == rights(role), "each right of the Role is used, and nothing else is asked for"
            assert {one.namespace for one in log} == {at_work.namespace, NAMESPACE}


async def test_a_killed_operator_goes_on(stack, tmp_path):
    """Whatever was under way when it was killed, creation, update or deletion: the next one ends it."""
    async with operating(stack, tmp_path, TOYS) as at_work:
        at_work.start()
        for image, version in at_work.versions:
            at_work.write(image=image)
            await at_work.until(lambda image=image: at_work.pods_of(image))
            at_work.restart()
            await at_work.serving(version)
        at_work.delete()
        await at_work.until(lambda: not at_work.find("apps/v1", "Deployment", f"skill-{at_work.skill_id}"))
        at_work.restart()
        await at_work.until(lambda: at_work.skill() is None)
        assert at_work.pods(leaving=True) == []
        assert not await at_work.registered("SKILL_ENDPOINTS")


@pytest.mark.skipif(bool(real.wanted()), reason="a real cluster's operator is not ours to stop")
async def test_an_update_that_nobody_has_looked_at_takes_nothing_away(stack, tmp_path):
    """The operator is away while a wrong image becomes ready: the old one serves until it is back, and says that it is refused."""
    images = TOYS | {"toy:english": Toy(version="2.1.0", locales=("en-US",))}
    async with operating(stack, tmp_path, images) as at_work:
        image, version = at_work.versions[0]
        at_work.start(EARSHOT_OPERATOR_PROGRESS_DEADLINE_S="60")
        at_work.write(image=image, locales=["en-US", "zh-CN"])
        await at_work.serving(version)
        (old,) = at_work.pods_of(image)
        at_work.write(image="toy:english", locales=["en-US", "zh-CN"])
        await at_work.until(lambda: bool(at_work.pods_of("toy:english")))
        at_work.kill()
        await at_work.until(lambda: any(map(ready, at_work.pods_of("toy:english"))))
        # As many looks of the Deployment's controller as would have taken it away.
        for _ in range(10):
            await asyncio.sleep(0.1)
            assert [pod["metadata"]["uid"] for pod in at_work.pods_of(image)] == [old["metadata"]["uid"]]
        at_work.start(EARSHOT_OPERATOR_PROGRESS_DEADLINE_S="60")
        await at_work.until(lambda: at_work.degraded_by("toy:english", "LocaleMissing"))
        assert at_work.status()["version"] == version
        await at_work.until(lambda: not at_work.pods_of("toy:english"))
        assert [pod["metadata"]["uid"] for pod in at_work.pods_of(image)] == [old["metadata"]["uid"]]
        at_work.delete()
        await at_work.until(lambda: at_work.skill() is None)


async def test_a_failing_update_keeps_the_old_version(stack, tmp_path):
    """Whatever is wrong with it: the old one serves on, the conditions say why, and the next spec mends it."""
    failing = {
        # Its credential is the toy's: the bus lets it do nothing, and it never listens.
        "toy:other": (Toy(version="2.0.0", id="other"), "UpdateFailed"),
        "toy:english": (Toy(version="2.1.0", locales=("en-US",)), "LocaleMissing"),
        "toy:crashes": (Toy(version="2.2.0", fails=True), "UpdateFailed"),
        "toy:nowhere": (None, "UpdateFailed"),
    }
    images = TOYS | {image: toy for image, (toy, _) in failing.items() if toy is not None}
    if real.wanted():
        failing = {"toy:nowhere": failing["toy:nowhere"]}
    async with operating(stack, tmp_path, images) as at_work:
        image, version = at_work.versions[0]
        at_work.start()
        at_work.write(image=image, locales=["en-US", "zh-CN"])
        await at_work.serving(version)
        for broken, (_, reason) in failing.items():
            at_work.write(image=broken, locales=["en-US", "zh-CN"])
            await at_work.until(lambda reason=reason, broken=broken: at_work.degraded_by(broken, reason))
            assert at_work.condition("Available") == ("True", "Serving")
            assert at_work.status()["version"] == version
            degraded = next(each for each in at_work.status()["conditions"] if each["type"] == "Degraded")
            assert f"{image} keeps serving" in degraded["message"], degraded
            events = at_work.listed("v1", "Event")
            assert ("Warning", reason) in {(event["type"], event["reason"]) for event in events}
        image, version = at_work.versions[-1]
        at_work.write(image=image, locales=["en-US", "zh-CN"])
        await at_work.serving(version)
        assert at_work.condition("Degraded") == ("False", "AsExpected")
        at_work.delete()
        await at_work.until(lambda: at_work.skill() is None)
