"""A Skill from its creation to its end: the real operator, a real skill, a real bus."""

from __future__ import annotations

import base64

import nats
import pytest

from earshot_registry.listing import list_bucket
from earshot_topology.jwt import read_claims
from support.kube.access import rights
from support.kube.images import Toy
from support.kube.operating import operating

pytestmark = pytest.mark.timeout(240)
OWNED = (
    ("v1", "ServiceAccount"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("keda.sh/v1alpha1", "ScaledObject"),
)


async def registered(stack, bucket):
    """Return the keys of a bucket that hold something."""
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
    listing = await list_bucket(client, bucket)
    await client.close()
    return {entry.key for entry in listing.entries if entry.value is not None}


async def test_a_skill_lives_and_goes(stack, tmp_path):
    """Created, it serves with rights of its own; updated, it rolls; deleted, it leaves nothing. No right is idle."""
    images = {"toy:1": Toy(version="1.0.0"), "toy:2": Toy(version="2.0.0")}
    async with operating(stack, tmp_path, images) as at_work:
        at_work.start()
        at_work.write(image="toy:1", locales=["en-US", "zh-CN"])
        await at_work.serving("1.0.0")
        uid = at_work.skill()["metadata"]["uid"]
        for api_version, kind in OWNED:
            found = at_work.find(api_version, kind, "skill-toy")
            assert found["metadata"]["ownerReferences"][0]["uid"] == uid, kind
        assert await registered(stack, "SKILLS") == {"toy.1.0.0"}
        secret = at_work.find("v1", "Secret", "bus-skill-toy")
        claims = read_claims(base64.b64decode(secret["data"]["user.creds"]).decode())
        assert (claims["name"], claims["nats"].get("pub")) == ("toy", None), "its rights are the account's template"

        at_work.write(image="toy:2", locales=["en-US"])
        await at_work.serving("2.0.0")
        assert at_work.status()["observedGeneration"] == 2
        assert [pod["spec"]["containers"][0]["image"] for pod in at_work.pods()] == ["toy:2"]
        assert await registered(stack, "SKILLS") == {"toy.2.0.0"}
        told = {event["reason"] for event in at_work.cluster.server.listed("v1", "Event", "earshot")}
        assert {"RollingOut", "Serving", "UpToDate"} <= told

        at_work.delete()
        await at_work.until(lambda: at_work.skill() is None)
        for api_version, kind in (*OWNED, ("apps/v1", "ReplicaSet"), ("v1", "Pod"), ("v1", "Secret")):
            assert at_work.cluster.server.listed(api_version, kind, "earshot") == [] or kind == "ServiceAccount", kind
        assert at_work.find("v1", "ServiceAccount", "skill-toy") is None
        assert await registered(stack, "SKILLS") == await registered(stack, "SKILL_ENDPOINTS") == set()

        role = at_work.find("rbac.authorization.k8s.io/v1", "Role", "operator")
        asked = {one.right for one in at_work.cluster.server.access.log if one.user == "sa:earshot:operator"}
        assert asked == rights(role), "each right of the Role is used, and nothing else is asked for"


async def test_a_failing_update_keeps_the_old_version(stack, tmp_path):
    """Whatever is wrong with it: the old one serves on, the conditions say why, and the next spec mends it."""
    failing = {
        # Its credential is the toy's: the bus lets it do nothing, and it never listens.
        "toy:other": (Toy(version="2.0.0", id="other"), "UpdateFailed"),
        "toy:english": (Toy(version="2.1.0", locales=("en-US",)), "LocaleMissing"),
        "toy:crashes": (Toy(version="2.2.0", fails=True), "UpdateFailed"),
        "toy:nowhere": (None, "UpdateFailed"),
    }
    images = {"toy:1": Toy(version="1.0.0"), "toy:3": Toy(version="3.0.0")}
    images |= {image: toy for image, (toy, _) in failing.items() if toy is not None}
    async with operating(stack, tmp_path, images) as at_work:
        at_work.start()
        at_work.write(image="toy:1", locales=["en-US", "zh-CN"])
        await at_work.serving("1.0.0")
        for image, (_, reason) in failing.items():
            at_work.write(image=image, locales=["en-US", "zh-CN"])
            await at_work.until(lambda reason=reason, image=image: at_work.degraded_by(image, reason))
            assert at_work.condition("Available") == ("True", "Serving")
            assert at_work.status()["version"] == "1.0.0"
            degraded = next(each for each in at_work.status()["conditions"] if each["type"] == "Degraded")
            assert "toy:1 keeps serving" in degraded["message"], degraded
            events = at_work.cluster.server.listed("v1", "Event", "earshot")
            assert ("Warning", reason) in {(event["type"], event["reason"]) for event in events}
        at_work.write(image="toy:3", locales=["en-US", "zh-CN"])
        await at_work.serving("3.0.0")
        assert at_work.condition("Degraded") == ("False", "AsExpected")
