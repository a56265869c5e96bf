"""How objects end: with what they own, or before or after it, and namespaces with all that is in them. A real server does the same."""

from __future__ import annotations

import json

import pytest
from kubernetes.client import CoreV1Api, CustomObjectsApi
from kubernetes.client.exceptions import ApiException


def config_map(name="map", **metadata):
    """Return a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


@pytest.fixture
def api(client):
    """The client for what is in the core."""
    return CoreV1Api(client())


@pytest.fixture
async def owner(client, call, api, skills, where):
    """How to delete a Skill that owns a ConfigMap, which is held; what is there afterwards is the test's."""
    custom = CustomObjectsApi(client())
    content = {"apiVersion": "earshot.dev/v1alpha1", "kind": "Skill", "metadata": {"name": "clock"}}
    content["spec"] = {"image": "clock:1", "locales": ["en-US"]}
    made = await call(custom.create_namespaced_custom_object, *skills, content)
    reference = {name: content[name] for name in ("apiVersion", "kind")} | {"name": "clock"}
    reference |= {"uid": made["metadata"]["uid"], "blockOwnerDeletion": True}
    await call(
        api.create_namespaced_config_map,
        where,
        config_map(ownerReferences=[reference], finalizers=["earshot.dev/test"]),
    )

    async def delete(policy):
        await call(custom.delete_namespaced_custom_object, *skills, "clock", propagation_policy=policy)

    return delete


@pytest.fixture
def release(api, call, where):
    """Take the finalizer from the ConfigMap."""
    return lambda: call(api.patch_namespaced_config_map, "map", where, {"metadata": {"finalizers": None}})


@pytest.fixture
def until(api, where, call):
    """Wait until the ConfigMap is so."""

    async def wait(right):
        for _ in range(300):
            found = await call(api.read_namespaced_config_map, "map", where)
            if right(found.metadata):
                return
        raise AssertionError(found.metadata)

    return wait


async def test_in_the_foreground_the_owner_goes_last(owner, release, until, gone, client, call, api, skills, where):
    """It is held until what it owns and is to wait for is gone."""
    custom = CustomObjectsApi(client())
    await owner("Foreground")
    await until(lambda metadata: metadata.deletion_timestamp is not None)
    found = await call(custom.get_namespaced_custom_object, *skills, "clock")
    assert found["metadata"]["finalizers"] == ["foregroundDeletion"]
    await release()
    await gone(api.read_namespaced_config_map, "map", where)
    await gone(custom.get_namespaced_custom_object, *skills, "clock")


async def test_what_is_orphaned_stays(owner, release, until, gone, client, skills):
    """And is owned by nobody."""
    await owner("Orphan")
    await gone(CustomObjectsApi(client()).get_namespaced_custom_object, *skills, "clock")
    await until(lambda metadata: not metadata.owner_references)
    await until(lambda metadata: metadata.deletion_timestamp is None)
    await release()


async def test_what_is_being_deleted_gets_no_finalizer(api, call, release, where):
    """One more is refused; nothing else is, and its name is not free."""
    await call(api.create_namespaced_config_map, where, config_map(finalizers=["a/b"]))
    await call(api.delete_namespaced_config_map, "map", where)
    with pytest.raises(ApiException) as caught:
        await call(api.patch_namespaced_config_map, "map", where, {"metadata": {"finalizers": ["a/b", "c/d"]}})
    assert (caught.value.status, "no new finalizers" in caught.value.body) == (422, True)
    await call(api.patch_namespaced_config_map, "map", where, {"data": {"a": "1"}})
    with pytest.raises(ApiException) as caught:
        await call(api.create_namespaced_config_map, where, config_map())
    assert (caught.value.status, "object is being deleted" in caught.value.body) == (409, True)
    await release()


async def test_a_namespace_takes_along_what_is_in_it(api, call, gone, where):
    """And waits for what is held; meanwhile nothing new is made there, and what is there may change."""
    name = f"{where}-ends"
    await call(api.create_namespace, {"metadata": {"name": name}})
    await call(api.create_namespaced_config_map, name, config_map("free"))
    await call(api.create_namespaced_config_map, name, config_map(finalizers=["a/b"]))
    await call(api.delete_namespace, name)
    with pytest.raises(ApiException) as caught:
        await call(api.create_namespaced_config_map, name, config_map("new"))
    told = json.loads(caught.value.body)
    assert (told["code"], told["reason"]) == (403, "Forbidden")
    assert [each["reason"] for each in told["details"]["causes"]] == ["NamespaceTerminating"]
    await gone(api.read_namespaced_config_map, "free", name)
    found = await call(api.read_namespace, name)
    assert (found.status.phase, found.metadata.deletion_timestamp is None) == ("Terminating", False)
    await call(api.patch_namespaced_config_map, "map", name, {"metadata": {"finalizers": None}})
    await gone(api.read_namespace, name)
    with pytest.raises(ApiException) as caught:
        await call(api.create_namespaced_config_map, name, config_map("new"))
    assert caught.value.status == 404
