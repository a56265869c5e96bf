"""What tests rest on: the API server of our own, asked by the real kubernetes client. A real one does the same (make e2e-kube)."""

from __future__ import annotations

import asyncio
import json

import pytest
import yaml
from kubernetes import watch
from kubernetes.client import ApiextensionsV1Api, AppsV1Api, CoreV1Api, CustomObjectsApi, RbacAuthorizationV1Api
from kubernetes.client.exceptions import ApiException

from support.kube.operating import DEPLOY

APPLY = {"force": True, "_content_type": "application/apply-patch+yaml"}


def skill(name="clock", **spec):
    """Return a small Skill."""
    return {
        "apiVersion": "earshot.dev/v1alpha1",
        "kind": "Skill",
        "metadata": {"name": name},
        "spec": {"image": "clock:1", "locales": ["en-US"], **spec},
    }


def config_map(**metadata):
    """Return a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map", **metadata}, "data": {"a": "1"}}


def deployment(**template):
    """Return a Deployment."""
    labels = {"app": "x"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}], **template}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x"},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }


async def refused(call, *arguments, **options):
    """Return status and message of a request that is refused."""
    with pytest.raises(ApiException) as caught:
        await call(*arguments, **options)
    return caught.value.status, caught.value.body


async def test_objects_have_identity_and_versions(client, call, skills):
    """A uid for life, a resource version for each change, a generation for each change of meaning."""
    api = CustomObjectsApi(client())
    made = await call(api.create_namespaced_custom_object, *skills, skill())
    assert made["metadata"]["generation"] == 1
    assert made["spec"]["scale"] == {"min": 2, "max": 10}, "defaults of the definition"
    labelled = await call(api.patch_namespaced_custom_object, *skills, "clock", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    assert labelled["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    changed = await call(api.patch_namespaced_custom_object, *skills, "clock", {"spec": {"image": "clock:2"}})
    assert (changed["metadata"]["generation"], changed["metadata"]["uid"]) == (2, made["metadata"]["uid"])
    same = await call(api.patch_namespaced_custom_object, *skills, "clock", {"spec": {"image": "clock:2"}})
    assert same["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"], "nothing changed"


async def test_who_comes_late_is_told(client, call, where):
    """Writing from an older version is a conflict; creating twice, too."""
    api = CoreV1Api(client())
    first = await call(api.create_namespaced_config_map, where, config_map())
    first.data = {"a": "2"}
    await call(api.replace_namespaced_config_map, "map", where, first)
    assert (await refused(call, api.replace_namespaced_config_map, "map", where, first))[0] == 409
    assert (await refused(call, api.create_namespaced_config_map, where, config_map()))[0] == 409
    assert (await refused(call, api.create_namespaced_config_map, "nowhere", config_map()))[0] == 404


async def test_status_is_another_resource(client, call, skills):
    """The main one ignores status, the status one ignores everything else."""
    api = CustomObjectsApi(client())
    await call(api.create_namespaced_custom_object, *skills, skill() | {"status": {"ready": 9}})
    body = {"spec": {"image": "other:1"}, "status": {"ready": 2}}
    await call(api.patch_namespaced_custom_object_status, *skills, "clock", body)
    found = await call(api.get_namespaced_custom_object, *skills, "clock")
    assert (found["spec"]["image"], found["status"], found["metadata"]["generation"]) == ("clock:1", {"ready": 2}, 1)
    await call(api.patch_namespaced_custom_object, *skills, "clock", {"status": {"ready": 5}})
    assert (await call(api.get_namespaced_custom_object, *skills, "clock"))["status"] == {"ready": 2}


async def test_what_is_not_valid_is_refused(client, call, skills, where):
    """By Kubernetes' schemas and by our definition's; unknown fields are another refusal."""
    create = CustomObjectsApi(client()).create_namespaced_custom_object
    wrong = ("apps", "v1", where, "deployments", deployment(hostNetwrok=True))
    status, message = await refused(call, create, *wrong, field_validation="Strict")
    assert (status, "hostNetwrok" in message) == (400, True)
    status, message = await refused(call, create, *skills, skill(colour="red"), field_validation="Strict")
    assert (status, "colour" in message) == (400, True)
    for wrong in ({"image": ""}, {"locales": []}, {"deadline": "31s"}, {"scale": {"min": 0}}):
        status, message = await refused(call, create, *skills, skill(**wrong))
        assert (status, next(iter(wrong)) in message) == (422, True), wrong
    assert (await refused(call, create, *skills, skill("Not_A_Name")))[0] == 422


async def test_a_rule_that_is_broken_is_told(client, call, skills):
    """Its field, the message of the definition, and both for programs; the object, also one that is changed, is not stored."""
    custom = CustomObjectsApi(client())
    scale = {"min": 3, "max": 2}
    status, body = await refused(call, custom.create_namespaced_custom_object, *skills, skill(scale=scale))
    told = json.loads(body)
    assert (status, told["reason"], told["details"]["kind"]) == (422, "Invalid", "Skill")
    (cause,) = told["details"]["causes"]
    assert (cause["reason"], cause["field"]) == ("FieldValueInvalid", "spec.scale")
    assert cause["message"].endswith("min may not be greater than max")
    assert told["message"] == f'Skill.earshot.dev "clock" is invalid: spec.scale: {cause["message"]}'
    await call(custom.create_namespaced_custom_object, *skills, skill())
    change = {"spec": {"scale": {"min": 11}}}
    status, _ = await refused(call, custom.patch_namespaced_custom_object, *skills, "clock", change)
    assert status == 422
    found = await call(custom.get_namespaced_custom_object, *skills, "clock")
    assert (found["metadata"]["generation"], found["spec"]["scale"]) == (1, {"min": 2, "max": 10})


async def test_a_definition_that_no_server_takes_is_refused(client, call):
    """As ours once was: a rule is asked of a default as it stands."""
    definition = yaml.safe_load((DEPLOY / "crds" / "skills.yaml").read_text())
    definition["metadata"]["name"] = "tricks.earshot.dev"
    definition["spec"]["names"] = {"kind": "Trick", "listKind": "TrickList", "plural": "tricks", "singular": "trick"}
    scale = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["scale"]
    scale["default"] = {}
    api = ApiextensionsV1Api(client())
    status, body = await refused(call, api.create_custom_resource_definition, definition, dry_run="All")
    assert status == 422
    assert 'properties[scale].default: Invalid value: "object": no such key: min' in json.loads(body)["message"]


async def test_a_finalizer_is_waited_for(client, call, where):
    """Deleted is marked, and gone when the last finalizer is."""
    api = CoreV1Api(client())
    await call(api.create_namespaced_config_map, where, config_map(finalizers=["a/b"]))
    await call(api.delete_namespaced_config_map, "map", where)
    found = await call(api.read_namespaced_config_map, "map", where)
    assert found.metadata.deletion_timestamp is not None
    await call(api.patch_namespaced_config_map, "map", where, {"metadata": {"finalizers": None}})
    assert (await refused(call, api.read_namespaced_config_map, "map", where))[0] == 404


async def test_what_is_owned_goes_with_its_owner(client, call, gone, skills, where):
    """Also what is made for an owner that is gone already."""
    api = CoreV1Api(client())
    custom = CustomObjectsApi(client())
    owner = (await call(custom.create_namespaced_custom_object, *skills, skill()))["metadata"]
    reference = {"apiVersion": "earshot.dev/v1alpha1", "kind": "Skill", "name": "clock", "uid": owner["uid"]}
    await call(api.create_namespaced_config_map, where, config_map(ownerReferences=[reference]))
    await call(custom.delete_namespaced_custom_object, *skills, "clock")
    await gone(api.read_namespaced_config_map, "map", where)
    await call(api.create_namespaced_config_map, where, config_map(ownerReferences=[reference]))
    await gone(api.read_namespaced_config_map, "map", where)


async def test_patches_of_every_kind(client, call, where):
    """JSON, merge and strategic merge: the last one knows that containers are a map by name."""
    api = AppsV1Api(client())
    await call(api.create_namespaced_deployment, where, deployment())
    more = {"spec": {"template": {"spec": {"containers": [{"name": "d", "image": "j:1"}]}}}}
    patched = await call(api.patch_namespaced_deployment, "x", where, more)
    assert [each.name for each in patched.spec.template.spec.containers] == ["d", "c"], "what is new comes first"
    wrong = [{"op": "test", "path": "/metadata/name", "value": "y"}]
    assert (await refused(call, api.patch_namespaced_deployment, "x", where, wrong))[0] == 422
    moved = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    assert (await call(api.patch_namespaced_deployment, "x", where, moved)).spec.replicas == 3
    selector = {"spec": {"selector": {"matchLabels": {"app": "y"}}}}
    assert (await refused(call, api.patch_namespaced_deployment, "x", where, selector))[0] == 422


async def test_apply_owns_what_it_applied(client, call, where):
    """What a manager no longer applies goes; what others wrote stays."""
    api = AppsV1Api(client())

    def apply(content, manager="one"):
        return api.patch_namespaced_deployment("x", where, content, field_manager=manager, **APPLY)

    content = deployment()
    content["metadata"]["annotations"] = {"mine": "1"}
    await call(apply, content)
    await call(api.patch_namespaced_deployment, "x", where, {"spec": {"replicas": 4}})
    del content["metadata"]["annotations"]
    found = await call(apply, content)
    assert found.spec.replicas == 4
    assert "mine" not in (found.metadata.annotations or {})
    core = CoreV1Api(client())
    first = await call(core.patch_namespaced_config_map, "map", where, config_map(), field_manager="one", **APPLY)
    again = await call(core.patch_namespaced_config_map, "map", where, config_map(), field_manager="one", **APPLY)
    assert again.metadata.resource_version == first.metadata.resource_version, "nothing changed"


def follow(api, where, version, count, **more):
    """Return so many changes of the ConfigMap since a version."""
    seen = []
    options = {"resource_version": version, "timeout_seconds": 10, "field_selector": "metadata.name=map", **more}
    for event in watch.Watch().stream(api.list_namespaced_config_map, where, **options):
        seen.append((event["type"], event["object"].metadata.labels))
        if len(seen) == count:
            return seen
    return seen


async def test_a_watch_tells_everything_once(client, call, where):
    """From a version on, in order."""
    api = CoreV1Api(client())
    start = (await call(api.list_namespaced_config_map, where)).metadata.resource_version
    following = asyncio.create_task(call(follow, api, where, start, 3))
    selected = asyncio.create_task(call(follow, api, where, start, 2, label_selector="a in (1)"))
    await call(api.create_namespaced_config_map, where, config_map(labels={"a": "1"}))
    await call(api.patch_namespaced_config_map, "map", where, {"metadata": {"labels": {"a": "2"}}})
    await call(api.delete_namespaced_config_map, "map", where)
    assert await following == [("ADDED", {"a": "1"}), ("MODIFIED", {"a": "2"}), ("DELETED", {"a": "2"})]
    assert [type_ for type_, _ in await selected] == ["ADDED", "DELETED"], "what is selected no more is gone"


async def test_what_is_too_old_is_told(client, call, double, where):
    """A watch from a version that is not kept any more is refused: 410."""
    api = CoreV1Api(client())
    start = (await call(api.list_namespaced_config_map, where)).metadata.resource_version
    await call(api.create_namespaced_config_map, where, config_map())
    double.server.store.forget()
    status, _ = await refused(call, follow, api, where, start, 1)
    assert status == 410


async def test_rights_are_those_of_roles(client, call, where):
    """A service account may do what a role that is bound to it lists, in its namespace."""
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["map"]}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subjects = [{"kind": "ServiceAccount", "name": "me", "namespace": where}]
    rbac, metadata = RbacAuthorizationV1Api(client()), {"name": "reader"}
    await call(rbac.create_namespaced_role, where, {"metadata": metadata, "rules": rules})
    bound = {"metadata": metadata, "roleRef": reference, "subjects": subjects}
    await call(rbac.create_namespaced_role_binding, where, bound)
    api = CoreV1Api(client(f"system:serviceaccount:{where}:me"))
    assert (await refused(call, api.read_namespaced_config_map, "map", where))[0] == 404
    assert (await refused(call, api.read_namespaced_config_map, "other", where))[0] == 403
    assert (await refused(call, api.read_namespaced_config_map, "map", "default"))[0] == 403
    assert (await refused(call, api.list_namespaced_config_map, where))[0] == 403


async def test_who_shows_no_token_is_nobody(client, call, double, where):
    """And may do nothing."""
    double.server.nobody = ""
    nobody = client()
    nobody.configuration.api_key.clear()
    assert (await refused(call, CoreV1Api(nobody).list_namespaced_config_map, where))[0] == 401


def pod(name, labels):
    """Return a pod."""
    metadata = {"name": name, "namespace": "earshot", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "c"}]}}


async def test_an_eviction_waits_for_a_budget(double, client, call):
    """Of two ready pods one may be evicted; the other one only when there is another instead, or when it is not ready."""
    labels, server = {"app": "x"}, double.server
    server.create(deployment() | {"spec": deployment()["spec"] | {"replicas": 2}}, "earshot")
    budget = {"maxUnavailable": 1, "selector": {"matchLabels": labels}}
    server.create(
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "x"}, "spec": budget}, "earshot"
    )
    for name in ("one", "two"):
        made = server.create(pod(name, labels))
        server.set_status(made | {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    api = CoreV1Api(client())

    def evict(name):
        return call(api.create_namespaced_pod_eviction, name, "earshot", {"metadata": {"name": name}})

    await evict("one")
    assert server.find("v1", "Pod", "one", "earshot") is None
    status, body = await refused(evict, "two")
    assert status == 429
    assert "disruption budget x" in body
    kept = server.find("v1", "Pod", "two", "earshot")
    server.set_status(kept | {"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    await evict("two")
    assert server.find("v1", "Pod", "two", "earshot") is None
