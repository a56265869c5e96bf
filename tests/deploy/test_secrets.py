"""Who may read which Secret, over everything that is rendered: by the API server, by pods, by rights to give rights."""

from __future__ import annotations

import copy

import pytest

from earshot_local.plan import SERVICES
from earshot_topology.policies import ADMIN_NAMESPACE, NAMESPACE, SKILLS_NAMESPACE
from support.hosted import hosted
from support.manifests import OVERLAYS, Object, of_kind, pod_templates, render, services_of
from support.rbac import Readers, mounted, readers

OPERATOR = f"ServiceAccount {NAMESPACE}/operator"
TEAM = f"Group {SKILLS_NAMESPACE}/trivia"
# What others make in the namespace: no pod of ours has it.
CERTIFICATES = ("nats-tls", "nats-cluster-tls", "gateway-tls")


def _everything(overlay: str) -> tuple[Object, ...]:
    objects = render(f"overlays/{overlay}") + render(f"overlays/{overlay}/admin")
    if overlay != "prod":
        return objects
    team = [copy.deepcopy(each) for each in render("components/skill-team")]
    for each in team:
        each["metadata"]["namespace"] = SKILLS_NAMESPACE
    secrets = [{"env": "EARSHOT_TRIVIA_API_KEY", "name": "trivia", "key": "api-key"}]
    skills = hosted("trivia", secrets=secrets) + hosted("other")
    return objects + render(f"overlays/{overlay}/skills") + tuple(team) + skills


def _mounting(objects: tuple[Object, ...]) -> dict[str, set[str]]:
    """Return which workloads are to have which Secret of the services' namespace."""
    own = {f"bus-{service.role}": {f"Deployment {service.role}"} for service in SERVICES}
    own |= {name: {f"Deployment {name}"} for name in ("skill-music", "skill-weather")}
    beside = [each for each in objects if each["metadata"].get("namespace") == NAMESPACE]
    everybody = {f"Deployment {each['metadata']['name']}" for each in services_of(beside)}
    if any(each["metadata"]["name"] == "operator" for each in of_kind(objects, "Deployment")):
        own |= {name: {"Deployment operator"} for name in ("bus-operator", "operator-signing")}
        everybody |= {"Deployment operator"}
    return own | {"bus-ca": everybody} | {name: set() for name in CERTIFICATES}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_who_may_read_each_secret(overlay: str) -> None:
    """The administrator's: his Job, and nobody else. The services': their pods, and neither the operator nor a team."""
    objects = _everything(overlay)
    apart = readers(objects, ADMIN_NAMESPACE, "bus-admin")
    assert apart == Readers(mounting=frozenset({"Job bus-apply"}))
    wanted = _mounting(objects)
    for name, mounting in wanted.items():
        found = readers(objects, NAMESPACE, name)
        assert found == Readers(mounting=frozenset(mounting)), name
    assert {
        name for _, template in pod_templates(render(f"overlays/{overlay}")) for name in mounted(template)
    } <= wanted.keys()


def test_who_may_read_the_secrets_of_skills() -> None:
    """The operator, which makes pods there; of its own, the skill, and the team that it is of: no team has another one's."""
    objects = _everything("prod")
    operator = frozenset({OPERATOR})
    for name, asking, mounting in (
        ("trivia", {TEAM}, {"Deployment skill-trivia"}),
        ("other", set(), set()),
        ("bus-skill-trivia", set(), {"Deployment skill-trivia"}),
        ("bus-skill-other", set(), {"Deployment skill-other"}),
        ("bus-ca", set(), {"Deployment skill-trivia", "Deployment skill-other"}),
    ):
        found = readers(objects, SKILLS_NAMESPACE, name)
        assert found == Readers(asking=operator | asking, making=operator, mounting=frozenset(mounting)), name


def test_the_operator_may_do_nothing_beside_the_services_but_look_for_one() -> None:
    """What it is bound to there is one right, which shows no content of anything."""
    objects = _everything("prod")
    bound = [each for each in of_kind(objects, "RoleBinding") if each["metadata"]["namespace"] == NAMESPACE]
    roles = [each for each in of_kind(objects, "Role") if each["metadata"]["namespace"] == NAMESPACE]
    assert [each["roleRef"]["name"] for each in bound] == [each["metadata"]["name"] for each in roles] == ["operator"]
    assert roles[0]["rules"] == [{"apiGroups": [""], "resources": ["services"], "verbs": ["get"]}]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nobody_has_the_administrator_s_credential_beside_the_services(overlay: str) -> None:
    """No pod of the services' namespace mounts it, and nobody who may do anything there may do anything in its namespace."""
    objects = _everything(overlay)
    bound = {each["metadata"]["namespace"] for each in of_kind(objects, "RoleBinding")}
    assert bound == ({NAMESPACE, SKILLS_NAMESPACE} if overlay == "prod" else set())
    assert of_kind(objects, "ClusterRole", "ClusterRoleBinding") == []
    assert readers(objects, NAMESPACE, "bus-admin").mounting == frozenset()


def _role(kind: str, rule: Object) -> list[Object]:
    """Return a role with one rule, bound to somebody in the administrator's namespace."""
    named = {"name": "more", "namespace": ADMIN_NAMESPACE}
    subject = {"kind": "ServiceAccount", "name": "somebody", "namespace": NAMESPACE}
    binding = "ClusterRoleBinding" if kind == "ClusterRole" else "RoleBinding"
    bound = {"kind": binding, "metadata": named, "roleRef": {"kind": kind, "name": "more"}, "subjects": [subject]}
    return [{"kind": kind, "metadata": named, "rules": [rule]}, bound]


@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
@pytest.mark.parametrize(
    ("rule", "way"),
    [
        ({"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}, "asking"),
        ({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["bus-admin"], "verbs": ["get"]}, "asking"),
        ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["watch"]}, "asking"),
        ({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["other"], "verbs": ["get"]}, ""),
        ({"apiGroups": [""], "resources": ["secrets"], "verbs": ["patch"]}, "asking"),
        ({"apiGroups": [""], "resources": ["secrets"], "verbs": ["delete"]}, "asking"),
        ({"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}, ""),
        ({"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["patch"]}, "making"),
        ({"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}, "making"),
        ({"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}, "ruling"),
        ({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["escalate"]}, "ruling"),
    ],
)
def test_each_way_to_a_secret_is_found(kind: str, rule: Object, way: str) -> None:
    """A right that lets somebody read, make pods or give rights is seen, and one that does not is none."""
    found = readers(_role(kind, rule), ADMIN_NAMESPACE, "bus-admin")
    somebody = frozenset({f"ServiceAccount {NAMESPACE}/somebody"})
    assert {name: getattr(found, name) for name in ("asking", "making", "ruling")} == {
        name: somebody if name == way else frozenset() for name in ("asking", "making", "ruling")
    }
