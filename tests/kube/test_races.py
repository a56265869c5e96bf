"""What the operator writes is what it has looked at: the requests of its own client to the API server of our own."""

from __future__ import annotations

import pytest
from kubernetes.client import CoreV1Api, V1DeleteOptions, V1Preconditions
from kubernetes.client.exceptions import ApiException

from earshot_operator.errors import ChangedError, ClusterUnavailableError
from earshot_operator.kube import Kube

PLACE = ("v1", "Secret", "keys")


def secret(**data):
    """Return a Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "data": data}


@pytest.fixture
def kube(client, where):
    """What the operator asks with, as an administrator."""
    return Kube(client(), where)


@pytest.fixture
def api(client):
    """Somebody else, who asks otherwise."""
    return CoreV1Api(client())


async def test_what_was_created_is_applied_from_then_on(kube):
    """What is left out later goes, also of what it was created with; what others have added stays."""
    await kube.apply(secret(a="eA==", b="eA=="), None)
    made = await kube.get(*PLACE)
    await kube.apply(secret(a="eQ=="), made)
    assert (await kube.get(*PLACE))["data"] == {"a": "eQ=="}
    assert (await kube.get(*PLACE))["metadata"]["uid"] == made["metadata"]["uid"]


async def test_what_has_changed_since_is_not_claimed(kube, api, call, where):
    """What was created is taken for applied only as it was looked at: whoever changed it meanwhile is not written over."""
    await kube.apply(secret(a="eA=="), None)
    before = await kube.get(*PLACE)
    await call(api.patch_namespaced_secret, "keys", where, {"data": {"a": "eQ=="}})
    with pytest.raises(ChangedError):
        await kube.apply(secret(a="eg=="), before)
    assert (await kube.get(*PLACE))["data"] == {"a": "eQ=="}
    await kube.apply(secret(a="eg=="), await kube.get(*PLACE))
    assert (await kube.get(*PLACE))["data"] == {"a": "eg=="}


async def test_what_has_appeared_is_not_taken_over(kube, api, call, where):
    """A creation is refused where somebody was faster, and a change where another object has the name by now."""
    await call(api.create_namespaced_secret, where, secret(theirs="eA=="))
    with pytest.raises(ClusterUnavailableError):
        await kube.apply(secret(ours="eA=="), None)
    before = await kube.get(*PLACE)
    await call(api.delete_namespaced_secret, "keys", where)
    with pytest.raises(ClusterUnavailableError):
        await kube.apply(secret(ours="eA=="), before)
    assert await kube.get(*PLACE) is None, "nor is it made anew"
    await call(api.create_namespaced_secret, where, secret(theirs="eA=="))
    for act in (kube.apply(secret(ours="eA=="), before), kube.delete(before)):
        with pytest.raises(ChangedError):
            await act
    assert (await kube.get(*PLACE))["data"] == {"theirs": "eA=="}


async def test_another_one_of_ours_is_not_meant_either(kube):
    """As if another operator had deleted it and made it anew: a request for the first one changes nothing."""
    await kube.apply(secret(first="eA=="), None)
    before = await kube.get(*PLACE)
    await kube.delete(before)
    await kube.apply(secret(second="eA=="), None)
    with pytest.raises(ChangedError):
        await kube.apply(secret(first="eQ=="), before)
    assert (await kube.get(*PLACE))["data"] == {"second": "eA=="}


async def test_what_has_changed_is_not_deleted(kube, api, call, where):
    """Neither by the operator nor by anybody who says which version he means; nothing that is gone is missed."""
    await kube.apply(secret(a="eA=="), None)
    before = await kube.get(*PLACE)
    await call(api.patch_namespaced_secret, "keys", where, {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(ClusterUnavailableError):
        await kube.delete(before)
    for wrong in ({"uid": "other"}, {"resource_version": before["metadata"]["resourceVersion"]}):
        options = V1DeleteOptions(preconditions=V1Preconditions(**wrong))
        with pytest.raises(ApiException) as caught:
            await call(api.delete_namespaced_secret, "keys", where, body=options)
        assert caught.value.status == 409
    await kube.delete(await kube.get(*PLACE))
    assert await kube.get(*PLACE) is None
    await kube.delete(before)


async def test_who_would_hold_up_an_owner_needs_the_right_to(double, client, call):
    """To say blockOwnerDeletion takes the right to change the owner's finalizers; the operator does not say it."""
    owner = double.server.create(
        {
            "apiVersion": "earshot.dev/v1alpha1",
            "kind": "Skill",
            "metadata": {"name": "toy"},
            "spec": {"image": "toy:1", "locales": ["en-US"]},
        },
        "earshot",
    )
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]
    rbac = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "maker"}, "rules": rules}
    bound = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "maker"},
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "maker"},
        "subjects": [{"kind": "ServiceAccount", "name": "maker"}],
    }
    for content in (role, bound):
        double.server.create(content, "earshot")
    api = CoreV1Api(client("system:serviceaccount:earshot:maker"))
    reference = {"apiVersion": owner["apiVersion"], "kind": "Skill", "name": "toy", "uid": owner["metadata"]["uid"]}
    owned = secret() | {"metadata": {"name": "keys", "ownerReferences": [reference | {"blockOwnerDeletion": True}]}}
    with pytest.raises(ApiException) as caught:
        await call(api.create_namespaced_secret, "earshot", owned)
    assert (caught.value.status, "skills/finalizers" in caught.value.body) == (403, True)
    owned["metadata"]["ownerReferences"] = [reference | {"controller": True}]
    await call(api.create_namespaced_secret, "earshot", owned)
