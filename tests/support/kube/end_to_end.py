"""The suite on a real cluster: python -m support.kube.end_to_end (make e2e-kube; what it has to be told is in `real`).

First what we ship is tried on its API server, then whether that does what the double does, then, where a skill is named, the
operator that runs there. What can't be tried for want of something is said before and after.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from kubernetes import config
from kubernetes.client import ApiClient, Configuration, CustomObjectsApi
from kubernetes.client.exceptions import ApiException

TESTS = Path(__file__).resolve().parents[2]
_SERVER = tuple(
    f"kube/test_{each}.py" for each in ("dry_run", "api_server", "checks", "ownership", "endings", "kubectl", "races")
)
# Others in that folder are of the double, wherever they run.
_OPERATOR = tuple(f"operator/test_{each}.py" for each in ("lives", "refusals", "taken_names"))
_SKILL = ("E2E_SKILL", "E2E_IMAGE", "E2E_VERSION")
_NEXT = ("E2E_IMAGE_NEXT", "E2E_VERSION_NEXT")
_BUS = ("E2E_BUS_URL", "E2E_BUS_CREDENTIALS")


class MissingError(Exception):
    """Something is told without what belongs to it."""


def files(environment: Mapping[str, str]) -> list[str]:
    """Return what is run, in this order.

    Raises:
        MissingError: Something is told without what belongs to it.
    """
    if not environment.get("E2E_KUBECONFIG"):
        raise MissingError("say which cluster: make e2e-kube KUBECONFIG=file")
    if not Path(environment["E2E_KUBECONFIG"]).is_file():
        raise MissingError(f"there is no file {environment['E2E_KUBECONFIG']}")
    skill, following, bus = (_told(environment, names) for names in (_SKILL, _NEXT, _BUS))
    if (following or bus) and not skill:
        raise MissingError(f"say which skill, too: {', '.join(_SKILL)}")
    return [*_SERVER, *(_OPERATOR if skill else ())]


def untried(environment: Mapping[str, str]) -> list[str]:
    """Return what is not tried, and what it would take."""
    if not _told(environment, _SKILL):
        return [f"the operator, for want of a skill ({', '.join(_SKILL)})"]
    lacking = ["images that are refused, and services of a skill beside the Skill: the double's alone"]
    if not _told(environment, _NEXT):
        lacking.append(f"an update to another version, for want of one ({', '.join(_NEXT)})")
    if not _told(environment, _BUS):
        lacking.append(f"what the registry holds, for want of the bus ({', '.join(_BUS)})")
    return lacking


def _told(environment: Mapping[str, str], names: tuple[str, ...]) -> bool:
    lacking = [name for name in names if not environment.get(name)]
    if lacking and len(lacking) < len(names):
        raise MissingError(f"say {', '.join(lacking)}, too: {', '.join(names)} belong together")
    return not lacking


def _defined(kubeconfig: str) -> bool:
    """Tell whether a cluster has our definitions; one that can't be asked fails in the tests, which say why."""
    configuration = Configuration()
    config.load_kube_config(kubeconfig, client_configuration=configuration)
    try:
        CustomObjectsApi(ApiClient(configuration)).list_cluster_custom_object(
            "earshot.dev", "v1alpha1", "skills", limit=1
        )
    except ApiException as error:
        return error.status != 404
    return True


def main(environment: Mapping[str, str], arguments: list[str]) -> int:
    """Run it; return the exit status."""
    try:
        chosen, lacking = files(environment), untried(environment)
    except MissingError as error:
        print(f"earshot: {error}", file=sys.stderr)  # noqa: T201
        return 2
    if not _defined(environment["E2E_KUBECONFIG"]):
        print("earshot: the cluster does not know Skills: kubectl apply -k deploy/crds first", file=sys.stderr)  # noqa: T201
        return 2
    told = "".join(f"\nearshot: not tried: {each}" for each in lacking)
    print(told, flush=True)  # noqa: T201
    status = int(pytest.main([*(str(TESTS / each) for each in chosen), *arguments]))
    print(told, flush=True)  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main(os.environ, sys.argv[1:]))
