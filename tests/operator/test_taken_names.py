"""A Skill of a name that manifests run already: it gets nothing, and takes nothing along."""

from __future__ import annotations

import pytest

from earshot_registry.listing import list_bucket
from earshot_topology.apply import apply
from earshot_topology.policies import NAMESPACE, SKILLS_NAMESPACE
from support.kube import real
from support.kube.images import Toy
from support.kube.operating import ACCOUNT, operating
from support.kube.passing import passing
from support.nats import nats_server


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
                self._server.remove(self._server.find("apps/v1", "Deployment", NAME, SKILLS_NAMESPACE))
            self._server.create(run_by_manifests(NAME)[0], SKILLS_NAMESPACE)


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


@pytest.mark.skipif(bool(real.wanted()), reason="an API server of our own is needed")
async def test_what_manifests_run_beside_the_services_is_no_skill_of_the_operator_s(tmp_path):
    """A Skill of its name would speak for it: it gets no credential, and what is registered stays when it goes."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": {"clusterIP": "None"}}
    async with nats_server(tmp_path / "bus") as bus:
        client = await bus.connect()
        await apply(client.jetstream())
        await client.jetstream().publish("$KV.SKILLS.toy.0.9.0", b"")
        async with passing(tmp_path, bus) as one:
            server = one.cluster.server
            server.create(service, NAMESPACE)
            assert await one.once() == ""
            assert one.conditions()["Degraded"] == ("True", "NameTaken")
            assert "Service skill-toy in earshot" in str(one.skill["status"])
            made = [key.name for key in server.store.all() if key.namespace == SKILLS_NAMESPACE]
            assert [name for name in made if "skill-toy" in name] == []
            assert await one.remove() == ""
            kept = await list_bucket(client, "SKILLS")
            assert [each.key for each in kept.entries if each.value is not None] == ["toy.0.9.0"]
            server.delete("v1", "Service", NAME, NAMESPACE)
            assert await one.once() == ""
            assert server.find("v1", "Secret", f"bus-{NAME}", SKILLS_NAMESPACE)
        await client.close()


def test_the_tests_of_a_real_cluster_refuse_a_skill_that_runs(monkeypatch):
    """They make and delete a Skill: none is supposed, and one that is there is not taken."""
    there = {
        ("apps/v1", "Deployment", "skill-trains", SKILLS_NAMESPACE): {},
        ("v1", "Service", "skill-clock", NAMESPACE): {},
    }

    def find(*place):
        return there.get(place)

    monkeypatch.delenv("E2E_SKILL", raising=False)
    with pytest.raises(ValueError, match="E2E_SKILL"):
        real.skill(find, SKILLS_NAMESPACE)
    for named, said in (
        ("trains", "Deployment skill-trains in earshot-skills"),
        ("clock", "Service skill-clock in earshot"),
    ):
        monkeypatch.setenv("E2E_SKILL", named)
        with pytest.raises(ValueError, match=said):
            real.skill(find, SKILLS_NAMESPACE)
    monkeypatch.setenv("E2E_SKILL", "trivia")
    assert real.skill(find, SKILLS_NAMESPACE) == "trivia"
