"""What a server refuses whose schemas it fits: versions, ids and names that are others, and fields that don't go together."""

from __future__ import annotations

import json

import pytest
from kubernetes.client import AppsV1Api, CoreV1Api, CustomObjectsApi
from kubernetes.client.exceptions import ApiException

JSON_PATCH = "application/json-patch+json"


def config_map(name="map", **metadata):
    """Return a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"a": "1"}}


def deployment(**spec):
    """Return a Deployment without pods."""
    pod = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    filled = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": pod} | spec
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": filled}


@pytest.fixture
def api(client):
    """The client for what is in the core."""
    return CoreV1Api(client())


async def refused(call, *arguments, **options):
    """Return status and fields of a request that is refused."""
    with pytest.raises(ApiException) as caught:
        await call(*arguments, **options)
    told = json.loads(caught.value.body)
    causes = (told.get("details") or {}).get("causes", [])
    return caught.value.status, {cause["field"] for cause in causes}


async def test_a_patch_may_say_which_version_it_means(api, call, where):
    """A JSON patch by replacing it, a merge by naming it: an older one is a conflict, and nothing changes."""
    first = (await call(api.create_namespaced_config_map, where, config_map())).metadata.resource_version
    await call(api.patch_namespaced_config_map, "map", where, {"data": {"a": "2"}})
    for patch in (
        [
            {"op": "replace", "path": "/data/a", "value": "3"},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": first},
        ],
        {"data": {"a": "3"}, "metadata": {"resourceVersion": first}},
    ):
        assert (await refused(call, api.patch_namespaced_config_map, "map", where, patch))[0] == 409
    found = await call(api.read_namespaced_config_map, "map", where)
    assert found.data == {"a": "2"}
    same = [
        {"op": "replace", "path": "/data/a", "value": "3"},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": found.metadata.resource_version},
    ]
    assert (await call(api.patch_namespaced_config_map, "map", where, same)).data == {"a": "3"}


async def test_a_patch_is_of_the_object_that_it_says(api, call, where):
    """Another id is a wrong field, another name no request at all."""
    await call(api.create_namespaced_config_map, where, config_map())
    for field, told in (("uid", (422, {"metadata.uid"})), ("name", (400, set()))):
        for patch in (
            [{"op": "replace", "path": f"/metadata/{field}", "value": "other"}],
            {"metadata": {field: "other"}},
        ):
            assert await refused(call, api.patch_namespaced_config_map, "map", where, patch) == told


async def test_who_replaces_a_skill_says_which_version(client, call, skills):
    """A PUT without one is refused of a definition's kind."""
    custom = CustomObjectsApi(client())
    spec = {"image": "clock:1", "locales": ["en-US"]}
    content = {"apiVersion": "earshot.dev/v1alpha1", "kind": "Skill", "metadata": {"name": "clock"}, "spec": spec}
    made = await call(custom.create_namespaced_custom_object, *skills, content)
    blind = content | {"metadata": {"name": "clock"}}
    told = await refused(call, custom.replace_namespaced_custom_object, *skills, "clock", blind)
    assert told == (422, {"metadata.resourceVersion"})
    made["spec"]["image"] = "clock:2"
    assert (await call(custom.replace_namespaced_custom_object, *skills, "clock", made))["metadata"]["generation"] == 2


async def test_names_and_labels_are_checked(api, call, where):
    """Also finalizers, keys of data, and the namespace that an object says it is in."""
    for content, told in (
        (config_map("A_b"), (422, {"metadata.name"})),
        (config_map(labels={"a": "b c"}), (422, {"metadata.labels"})),
        (config_map(finalizers=["nobody"]), (422, {"metadata.finalizers[0]"})),
        (config_map(namespace="elsewhere"), (400, set())),
        (config_map() | {"metadata": {}}, (422, {"metadata.name"})),
        (config_map() | {"data": {"a b": ""}}, (422, {"data[a b]"})),
    ):
        assert await refused(call, api.create_namespaced_config_map, where, content) == told, content


async def test_what_may_not_change(api, call, where):
    """The type of a Secret, what is said to be immutable, and the address of a Service."""
    secret = {"metadata": {"name": "s"}, "data": {"a": "eA=="}}
    assert (await call(api.create_namespaced_secret, where, secret)).type == "Opaque"
    told = await refused(call, api.patch_namespaced_secret, "s", where, {"type": "example.com/other"})
    assert told == (422, {"type"})
    await call(api.patch_namespaced_secret, "s", where, {"immutable": True})
    told = await refused(call, api.patch_namespaced_secret, "s", where, {"data": {"a": "eQ=="}})
    assert told == (422, {"data"})
    unread = {"metadata": {"name": "t"}, "data": {"a": "%%"}}
    assert (await refused(call, api.create_namespaced_secret, where, unread))[0] == 400
    service = {"metadata": {"name": "v"}, "spec": {"clusterIP": "None", "selector": {"a": "b"}, "ports": [{"port": 1}]}}
    await call(api.create_namespaced_service, where, service)
    told = await refused(call, api.patch_namespaced_service, "v", where, {"spec": {"clusterIP": "10.96.0.77"}})
    assert told == (422, {"spec.clusterIPs[0]"})


async def test_a_deployment_that_can_never_be_done_is_refused(client, call, where):
    """One whose pods may not count before its deadline is over, or are not those that it looks for."""
    api = AppsV1Api(client())
    late, lost = {"spec.progressDeadlineSeconds"}, {"spec.template.metadata.labels"}
    for spec, told in (
        ({"minReadySeconds": 600}, late),
        ({"minReadySeconds": 5, "progressDeadlineSeconds": 5}, late),
        ({"selector": {"matchLabels": {"app": "y"}}}, lost),
    ):
        assert await refused(call, api.create_namespaced_deployment, where, deployment(**spec)) == (422, told)
    await call(api.create_namespaced_deployment, where, deployment(minReadySeconds=599))


async def test_an_annotation_is_a_change_of_a_deployment(client, call, where):
    """Its generation is another one, by which its controller looks again; a label's is not."""
    api = AppsV1Api(client())
    await call(api.create_namespaced_deployment, where, deployment(paused=True))
    for change, generation in (({"annotations": {"a": "b"}}, 2), ({"labels": {"a": "b"}}, 2)):
        found = await call(api.patch_namespaced_deployment, "x", where, {"metadata": change})
        assert found.metadata.generation == generation, change


async def test_a_list_may_be_read_in_pieces(api, call, where):
    """As kubectl reads one; its items do not say of what kind they are."""
    for number in range(3):
        await call(api.create_namespaced_config_map, where, config_map(f"map{number}", labels={"p": "1"}))
    first = await call(api.list_namespaced_config_map, where, label_selector="p", limit=2)
    assert [each.metadata.name for each in first.items] == ["map0", "map1"]
    more = {"limit": 2, "_continue": first.metadata._continue}
    rest = await call(api.list_namespaced_config_map, where, label_selector="p", **more)
    assert [each.metadata.name for each in rest.items] == ["map2"]
    assert rest.metadata._continue is None
    assert {each.kind for each in first.items} == {None}


@pytest.mark.parametrize("selector", [{"label_selector": "a b"}, {"field_selector": "data.a=1"}])
async def test_a_selector_that_is_none_is_refused(api, call, where, selector):
    """Rather than select nothing, or everything."""
    assert (await refused(call, api.list_namespaced_config_map, where, **selector))[0] == 400
