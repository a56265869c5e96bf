"""A Skill of a name that manifests run already: it gets nothing, and takes nothing along."""

from __future__ import annotations

import pytest

from support.kube import real
from support.kube.images import Toy
from support.kube.operating import ACCOUNT, operating


def run_by_manifests(name):
    """Return what manifests run under a skill's name."""
    meta = {"name": name, "labels": {"app.kubernetes.io/name": name}}
    container = {"name": "service", "image": "toy:1"}
    spec = {
        "replicas": 0,
        "selector": {"matchLabels": meta["labels"]},
        "template": {"metadata": {"labels": meta["labels"]}, "spec": {"containers": [container]}},
    }
    secret = {"metadata": {"name": f"bus-{name}"}, "data": {"user.creds": "bWluZQ=="}}
    return (
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": "v1", "kind": "Secret", **secret},
    )


def present(at_work, objects):
    """Return what there is of what manifests run, but for what a controller writes."""
    found = [at_work.find(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in objects]
    return [
        each and (each["metadata"]["uid"], each["metadata"].get("labels"), each.get("spec"), each.get("data"))
        for each in found
    ]


@pytest.mark.timeout(3600 if real.wanted() else 500)
async def test_what_is_not_the_skill_s_is_left_alone(stack, tmp_path):
    """Nothing of it is changed, and nothing is made beside it; the Skill goes, and it and its registration stay."""
    async with operating(stack, tmp_path, {"toy:1": Toy(version="1.0.0")}) as at_work:
        name, image = f"skill-{at_work.skill_id}", at_work.versions[0][0]
        objects = run_by_manifests(name)
        for content in objects:
            at_work.api.create(content, at_work.namespace)
        before = present(at_work, objects)
        assert all(before)
        await at_work.leave("SKILLS", f"{at_work.skill_id}.0.9.0")
        at_work.start()
        at_work.write(image=image)
        await at_work.until(lambda: at_work.degraded_by(image, "NameTaken"))
        degraded = next(each for each in at_work.status()["conditions"] if each["type"] == "Degraded")
        assert f"Deployment {name}, Secret bus-{name}, ServiceAccount {name}" in degraded["message"]
        assert ("Warning", "NameTaken") in at_work.told()
        assert present(at_work, objects) == before
        assert at_work.find("v1", "Service", name) is None
        at_work.delete()
        await at_work.until(lambda: at_work.skill() is None)
        assert present(at_work, objects) == before
        assert await at_work.registered("SKILLS") in (None, set(), {f"{at_work.skill_id}.0.9.0"})
        if at_work.stack is not None:
            assert await at_work.registered("SKILLS"), "it is somebody else's"
        for content in objects:
            at_work.api.delete(content["apiVersion"], content["kind"], content["metadata"]["name"], at_work.namespace)


NAME = "skill-toy"


class Faster:
    """Somebody who puts an object of his own where the operator has just looked, once for each verb."""

    def __init__(self, at_work):
        self._server = at_work.double.server
        self.done = set()

    async def __call__(self, asked, phase):
        """Be told of a write."""
        if asked.user != ACCOUNT or phase != "before" or asked.resource != "deployments" or asked.verb in self.done:
            return
        if asked.verb in {"create", "delete"}:
            self.done.add(asked.verb)
            if asked.verb == "delete":
                self._server.remove(self._server.find("apps/v1", "Deployment", NAME, "earshot"))
            self._server.create(run_by_manifests(NAME)[0], "earshot")


@pytest.mark.skipif(bool(real.wanted()), reason="an API server of our own is needed")
@pytest.mark.timeout(500)
async def test_what_appears_meanwhile_is_left_alone(stack, tmp_path):
    """Between the operator's look and its creation, or its deletion: it is neither taken over nor deleted."""
    async with operating(stack, tmp_path, {"toy:1": Toy(version="1.0.0")}) as at_work:
        faster = at_work.double.server.witness = Faster(at_work)
        at_work.start()
        at_work.write(image="toy:1")
        await at_work.until(lambda: at_work.degraded_by("toy:1", "NameTaken"))
        theirs = at_work.find("apps/v1", "Deployment", NAME)
        assert "ownerReferences" not in theirs["metadata"]
        at_work.api.delete("apps/v1", "Deployment", NAME, at_work.namespace)
        await at_work.serving("1.0.0")
        at_work.delete()
        await at_work.until(lambda: at_work.skill() is None)
        assert faster.done == {"create", "delete"}
        assert "ownerReferences" not in at_work.find("apps/v1", "Deployment", NAME)["metadata"]


def test_the_tests_of_a_real_cluster_refuse_a_skill_that_runs(monkeypatch):
    """They make and delete a Skill: none is supposed, and one that is there is not taken."""
    there = {("apps/v1", "Deployment", "skill-clock", "earshot"): {}}

    def find(*place):
        return there.get(place)

    monkeypatch.delenv("E2E_SKILL", raising=False)
    with pytest.raises(ValueError, match="E2E_SKILL"):
        real.skill(find, "earshot")
    monkeypatch.setenv("E2E_SKILL", "clock")
    with pytest.raises(ValueError, match="Deployment skill-clock"):
        real.skill(find, "earshot")
    monkeypatch.setenv("E2E_SKILL", "trivia")
    assert real.skill(find, "earshot") == "trivia"
