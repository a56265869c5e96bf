"""What manifests say is what the programs in them do: nothing is wrong with an overlay, and one wrong word in it is found."""

from __future__ import annotations

import pytest

from support.crosscheck.checks import complaints
from support.crosscheck.cluster import Cluster, overlays_of
from support.crosscheck.mutations import MUTATIONS, Mutation, mutated
from support.manifests import OVERLAYS


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
