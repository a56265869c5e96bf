"""What manifests say is what the programs in them do: nothing is wrong with an overlay, and one wrong word in it is found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from support.crosscheck.checks import complaints
from support.crosscheck.cluster import Cluster, overlays_of
from support.crosscheck.mutations import MUTATIONS, Mutation, mutated
from support.hosted import hosted
from support.manifests import DEPLOY, OVERLAYS, render


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_is_wrong(overlay: str) -> None:
    """Variables, paths, probes, amounts, addresses, pipelines, listeners and metrics are those of the programs that run."""
    cluster = Cluster(overlays_of(overlay))
    assert complaints(cluster) == []
    kinds = {each.workload["kind"] for each in cluster.containers}
    assert kinds == {"dev": {"Deployment", "Job", "StatefulSet"}, "prod": {"Deployment", "Job"}}[overlay]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: f"{each.object}: {each.wrong}")
def test_one_wrong_word_is_found(mutation: Mutation) -> None:
    """Each of these passes every schema, and something would not start, not be reached or not be seen."""
    said = complaints(mutated(mutation))
    assert any(mutation.said in each for each in said), said


def test_nothing_is_wrong_with_what_may_be_added(tmp_path: Path) -> None:
    """Production with typed turns from outside, and with plain autoscaling in place of KEDA's."""
    above = (tmp_path / "above").resolve()
    above.mkdir()
    added = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "earshot",
        "resources": [os.path.relpath(DEPLOY / "overlays" / "prod", above)],
        "components": [os.path.relpath(DEPLOY / "components" / each, above) for each in ("gateway-typed", "hpa")],
    }
    (above / "kustomization.yaml").write_text(yaml.safe_dump(added))
    cluster = Cluster(render(str(above)))
    assert complaints(cluster) == []
    assert [each["kind"] for each in cluster.of_kind("GRPCRoute", "ScaledObject")] == ["GRPCRoute"]
    assert cluster.of_kind("HorizontalPodAutoscaler")


def test_nothing_is_wrong_with_a_skill_that_the_operator_makes() -> None:
    """A skill runs as well by its Skill as by a folder: in place of that of the timers."""
    others = tuple(each for each in overlays_of("prod") if each["metadata"]["name"] != "skill-timers")
    assert others != overlays_of("prod")
    cluster = Cluster(others + hosted("timers", scheduler=True, scale={"min": 2, "max": 10}))
    assert complaints(cluster) == []
    assert cluster.containers[-1].told["EARSHOT_SCHEDULER_TARGET"] == "dns:///scheduler.earshot:50051"
