"""Every pod of ours passes the *restricted* pod security standard, and a little more."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from support.hosted import hosted
from support.manifests import ADMINS, OVERLAYS, Object, named, pod_templates, render, services_of
from support.pod_security import violations


@pytest.mark.parametrize("overlay", [*OVERLAYS, *ADMINS])
def test_pods_are_restricted(overlay: str) -> None:
    """Nothing that we run needs anything which the namespace would refuse."""
    found = {
        workload["metadata"]["name"]: list(violations(pod))
        for workload, pod in pod_templates(render(f"overlays/{overlay}"))
    }
    assert found == {name: [] for name in found}
    assert len(found) == 1 if overlay in ADMINS else len(found) > 9


@pytest.mark.parametrize("overlay", [*OVERLAYS, *ADMINS])
def test_pods_can_write_to_nothing_but_what_they_mount(overlay: str) -> None:
    """Root file systems are read-only, users are 10001, and nobody holds a token of the API server or a limitless folder."""
    for workload, template in pod_templates(render(f"overlays/{overlay}")):
        name, spec = workload["metadata"]["name"], template["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["securityContext"]["runAsUser"] == 10001, name
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            assert "memory" in container["resources"]["limits"], name
        for volume in spec.get("volumes", []):
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}), name
    for account in render(f"overlays/{overlay}"):
        if account["kind"] == "ServiceAccount":
            assert account["automountServiceAccountToken"] is False


def test_services_have_a_temporary_folder() -> None:
    """Python and its libraries write to /tmp."""
    for deployment in services_of(render("overlays/prod")):
        spec = deployment["spec"]["template"]["spec"]
        (mount,) = [each for each in spec["containers"][0]["volumeMounts"] if each["mountPath"] == "/tmp"]  # noqa: S108
        assert {"name": mount["name"], "emptyDir": {"sizeLimit": "256Mi"}} in spec["volumes"]


def test_the_operator_s_skills_are_restricted() -> None:
    """Their namespace refuses what is not, as that of the services does."""
    ((_, template),) = pod_templates(hosted("trivia"))
    assert list(violations(template)) == []


def _drop(template: Object) -> None:
    template["spec"]["containers"][0]["securityContext"]["capabilities"]["drop"] = ["NET_RAW"]


def _root(template: Object) -> None:
    template["spec"]["securityContext"]["runAsNonRoot"] = False


def _seccomp(template: Object) -> None:
    del template["spec"]["securityContext"]["seccompProfile"]


def _host(template: Object) -> None:
    template["spec"]["volumes"].append({"name": "host", "hostPath": {"path": "/"}})


def _init(template: Object) -> None:
    template["spec"]["initContainers"] = [{"name": "first"}]


@pytest.mark.parametrize("loosen", [_drop, _root, _seccomp, _host, _init])
def test_what_is_not_restricted_is_found(loosen: Callable[[Object], None]) -> None:
    """The check objects to pods that the API server would refuse."""
    template = copy.deepcopy(named(render("overlays/prod"), "Deployment", "asr")["spec"]["template"])
    assert list(violations(template)) == []
    loosen(template)
    assert list(violations(template)) != []
