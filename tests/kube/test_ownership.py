"""Who owns a field, of a workload above all its replicas: the operator, an autoscaler, whoever applies. A real server does the same."""

from __future__ import annotations

import json

import pytest
from kubernetes.client import AppsV1Api, CoreV1Api
from kubernetes.client.exceptions import ApiException

APPLY = "application/apply-patch+yaml"


def deployment(replicas=None):
    """Return a Deployment without pods, which says how many it wants, or nothing of that."""
    labels = {"app": "x"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": pod, "paused": True}
    spec |= {} if replicas is None else {"replicas": replicas}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": spec}


@pytest.fixture
def api(client):
    """The client."""
    return AppsV1Api(client())


@pytest.fixture
def apply(api, call, where):
    """Apply what a manager wants; return how many replicas there are to be."""

    async def make(manager, replicas=None, *, force=False):
        options = {"field_manager": manager, "force": force, "_content_type": APPLY}
        made = await call(api.patch_namespaced_deployment, "x", where, deployment(replicas), **options)
        return made.spec.replicas

    return make


@pytest.fixture
def conflict(apply):
    """Apply what others own; return whom the refusal names."""

    async def refused(manager, replicas):
        with pytest.raises(ApiException) as caught:
            await apply(manager, replicas)
        assert caught.value.status == 409
        (cause,) = json.loads(caught.value.body)["details"]["causes"]
        assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".spec.replicas")
        return cause["message"]

    return refused


async def test_what_two_apply_stays_until_neither_does(apply, conflict):
    """The same value is shared; another one is a conflict; who leaves takes nothing away that another one wants."""
    assert await apply("one", 0) == 0
    assert await conflict("two", 3) == 'conflict with "one"'
    assert await apply("two", 0) == 0
    assert await apply("one") == 0, "the other one's"
    assert await apply("two") == 1, "nobody's: the default"


async def test_an_autoscaler_takes_replicas_over(apply, conflict, api, call, where):
    """By the scale subresource: from then on they are its own, and stay when whoever had them before says nothing of them."""
    assert await apply("operator", 0) == 0
    scale = {"spec": {"replicas": 4}}
    scaled = await call(api.patch_namespaced_deployment_scale, "x", where, scale, field_manager="scaler")
    assert scaled.spec.replicas == 4
    assert await apply("operator") == 4
    assert await conflict("operator", 0) == 'conflict with "scaler" with subresource "scale" using apps/v1'
    assert await apply("operator", 0, force=True) == 0, "stopped all the same"
    assert await apply("operator") == 1


async def test_fields_are_told_by_manager(apply, api, call, where):
    """Each with its operation and subresource; [{}] makes them nobody's, and what can't be read says nothing."""
    await apply("operator", 0)
    await call(api.patch_namespaced_deployment_scale, "x", where, {"spec": {"replicas": 2}}, field_manager="scaler")

    async def entries():
        found = await call(api.read_namespaced_deployment, "x", where)
        told = found.metadata.managed_fields or []
        return {
            (each.manager, each.operation, each.subresource): each.fields_v1
            for each in told
            if each.subresource != "status"
        }

    told = await entries()
    assert told.keys() == {("operator", "Apply", None), ("scaler", "Update", "scale")}
    assert "f:replicas" not in told["operator", "Apply", None]["f:spec"]
    assert told["scaler", "Update", "scale"] == {"f:spec": {"f:replicas": {}}}
    for wrong, left in (([{"manager": "me"}], 2), ([{}], 0)):
        change = [{"op": "replace", "path": "/metadata/managedFields", "value": wrong}]
        await call(api.patch_namespaced_deployment, "x", where, change)
        assert len(await entries()) == left


async def test_of_a_list_each_owns_its_items(client, call, where):
    """Ports by their numbers: who applies one no more takes away no other one's."""
    api = CoreV1Api(client())

    async def ports(manager, *numbers):
        spec = {"clusterIP": "None", "ports": [{"name": f"p{number}", "port": number} for number in numbers]}
        content = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": spec}
        options = {"field_manager": manager, "_content_type": APPLY}
        made = await call(api.patch_namespaced_service, "x", where, content, **options)
        return {each.port for each in made.spec.ports}

    assert await ports("one", 1, 2) == {1, 2}
    assert await ports("two", 2, 3) == {1, 2, 3}
    assert await ports("one", 1) == {1, 2, 3}
    assert await ports("two", 3) == {1, 3}


async def test_an_apply_says_who_and_whose(apply, api, call, where):
    """Without a manager, with managedFields, or for another name, nothing is applied."""
    await apply("one", 0)
    for options, change, status in (
        ({}, {}, 422),
        ({"field_manager": "one"}, {"managedFields": [{"manager": "x"}]}, 400),
        ({"field_manager": "one"}, {"name": "y"}, 400),
    ):
        content = deployment(0)
        content["metadata"] |= change
        with pytest.raises(ApiException) as caught:
            await call(api.patch_namespaced_deployment, "x", where, content, _content_type=APPLY, **options)
        assert caught.value.status == status, change
