"""What a Skill asks for and does not get: nothing runs, and it is told until it changes."""

from __future__ import annotations

import pytest

from support.kube import real
from support.kube.images import Toy
from support.kube.operating import operating

pytestmark = pytest.mark.timeout(3600 if real.wanted() else 500)
ours_alone = pytest.mark.skipif(bool(real.wanted()), reason="images and pods of our own are needed")
NAME = "skill-toy"
LABEL = "earshot.dev/skill"
TOYS = {"toy:1": Toy(version="1.0.0"), "toy:english": Toy(version="2.1.0", locales=("en-US",))}
BOTH = ["en-US", "zh-CN"]


@ours_alone
async def test_a_first_image_that_is_refused_does_not_serve(stack, tmp_path):
    """No replica stays, nothing of it is registered, whoever looks after it; another image serves."""
    async with operating(stack, tmp_path, TOYS) as at_work:
        at_work.start()
        at_work.write(image="toy:english", locales=BOTH)
        await at_work.until(lambda: at_work.condition("Available") == ("False", "Stopped"))
        assert at_work.condition("Degraded") == ("True", "LocaleMissing")
        assert at_work.condition("Progressing") == ("False", "Refused")
        at_work.restart()
        await at_work.until(lambda: at_work.pods(leaving=True) == [])
        assert not await at_work.registered("SKILL_ENDPOINTS")
        assert at_work.find("apps/v1", "Deployment", NAME)["spec"]["replicas"] == 0
        assert at_work.find("keda.sh/v1alpha1", "ScaledObject", NAME) is None
        at_work.write(image="toy:1", locales=BOTH)
        # KEDA's part, which is not here: nobody else says how many there are to be.
        await at_work.until(lambda: at_work.find("keda.sh/v1alpha1", "ScaledObject", NAME))
        at_work.scale(1)
        await at_work.serving("1.0.0")
        assert ("Warning", "LocaleMissing") in at_work.told()


async def test_a_secret_has_to_be_meant_for_the_skill(stack, tmp_path):
    """One that is not there is told, one that is not labelled too, otherwise; labelled, it is mounted at once."""
    async with operating(stack, tmp_path, TOYS) as at_work:
        (image, version), name = at_work.versions[0], f"e2e-{at_work.skill_id}"
        at_work.start()
        at_work.write(image=image, secrets=[{"env": "EARSHOT_E2E_KEY", "name": name, "key": "key"}])
        await at_work.until(lambda: at_work.degraded_by(image, "SecretMissing"))
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": {LABEL: "other"}}}
        at_work.api.create(secret | {"data": {"key": "eA=="}}, at_work.namespace)
        await at_work.until(lambda: at_work.degraded_by(image, "SecretRefused"))
        (degraded,) = [each for each in at_work.status()["conditions"] if each["type"] == "Degraded"]
        assert f"kubectl label secret {name} {LABEL}={at_work.skill_id}" in degraded["message"]
        assert {("Warning", "SecretMissing"), ("Warning", "SecretRefused")} <= set(at_work.told())
        assert at_work.find("apps/v1", "Deployment", f"skill-{at_work.skill_id}") is None
        at_work.api.label(at_work.find("v1", "Secret", name), {LABEL: at_work.skill_id})
        await at_work.serving(version)
        at_work.delete()
        await at_work.until(lambda: at_work.skill() is None)
        at_work.api.delete("v1", "Secret", name, at_work.namespace)


@ours_alone
async def test_a_deletion_that_waits_for_pods_says_so(stack, tmp_path):
    """A pod whose node is away is named in a condition and in one event; when it is gone, so is the Skill."""
    async with operating(stack, tmp_path, TOYS, EARSHOT_OPERATOR_PATIENCE_S="1") as at_work:
        at_work.start()
        at_work.write(image="toy:1")
        await at_work.serving("1.0.0")
        lost = at_work.pods()[0]
        lost["metadata"] = {"name": "lost", "labels": lost["metadata"]["labels"], "finalizers": ["a.node/away"]}
        lost["spec"]["nodeName"] = "away"
        at_work.api.create(lost, at_work.namespace)
        at_work.delete()
        await at_work.until(lambda: at_work.condition("Deleting") == ("True", "PodsRemain"))
        # The other one takes its time to end, and is named as long.
        await at_work.until(lambda: "still there: lost'" in str(at_work.status()["conditions"]))
        await at_work.until(lambda: at_work.log.count("are still there") > 1)
        assert at_work.told().count(("Warning", "PodsRemain")) == 1
        at_work.double.server.remove(at_work.find("v1", "Pod", "lost"))
        await at_work.until(lambda: at_work.skill() is None)
