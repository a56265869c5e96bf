"""What ScaledObjects and Deployments say of one another."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from earshot_asr.settings import AsrSettings
from earshot_chassis.service import FAREWELL_S
from earshot_cli.scaling.fleet import Conditions
from earshot_cli.scaling.scaledobjects import scaled_object
from earshot_local.plan import SERVICES
from support.manifests import BASES, COMPONENT, ROOT, named, of_kind, pod_templates, render, services_of

PROD = "overlays/prod"


def test_every_service_is_scaled_by_triggers_that_can_be_read() -> None:
    """Each service and skill has its ScaledObject, never below one replica, on its own Deployment."""
    deployments = {each["metadata"]["name"] for each, _ in pod_templates(render(PROD)) if each["kind"] == "Deployment"}
    names = {f"skill-{each.name}" if each.skill else each.name for each in SERVICES}
    scaled = {scaled_object(each).target: scaled_object(each) for each in of_kind(render(PROD), "ScaledObject")}
    assert names == scaled.keys()
    assert scaled.keys() <= deployments
    assert all(each.minimum >= 1 and each.triggers for each in scaled.values())


def test_what_prometheus_is_asked_for_is_in_the_overlay_s_namespace() -> None:
    """A query names the namespace that its object is in, and finding nothing there is an error, not an idle service."""
    asked = [
        (scaled["metadata"]["namespace"], trigger["metadata"])
        for scaled in of_kind(render(PROD), "ScaledObject")
        for trigger in scaled["spec"]["triggers"]
        if trigger["type"] == "prometheus"
    ]
    assert asked
    for namespace, metadata in asked:
        assert re.findall(r'namespace="([^"]*)"', metadata["query"]) == [namespace]
        assert metadata["ignoreNullValues"] == "false"


def test_nothing_is_scaled_down_in_a_hurry() -> None:
    """Who has work in hand is not taken away for a moment's quiet: five minutes of it, and then a quarter a minute at most."""
    calm = {"stabilizationWindowSeconds": 300, "policies": [{"type": "Percent", "value": 25, "periodSeconds": 60}]}
    scaled = of_kind(render(PROD), "ScaledObject")
    assert len(scaled) >= len(BASES)
    for each in scaled:
        behaviour = each["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behaviour["scaleDown"] == calm, each["metadata"]["name"]


def test_no_budget_holds_up_a_drain() -> None:
    """Of every service one pod may go at a time, whether others are healthy or not, and however few there are."""
    for overlay in (PROD, "overlays/dev"):
        budgets = of_kind(render(overlay), "PodDisruptionBudget")
        assert len(budgets) >= len(BASES)
        for each in budgets:
            spec = each["spec"]
            assert (spec.get("maxUnavailable"), spec.get("minAvailable")) == (1, None), each["metadata"]["name"]
            if each["metadata"]["name"] in BASES:
                assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow", each["metadata"]["name"]


def test_the_simulation_scrapes_as_often_as_prometheus() -> None:
    """What the simulation takes for the age of a figure is the interval at which the PodMonitor has it scraped."""
    (monitor,) = of_kind(render(PROD), "PodMonitor")
    intervals = {each["interval"] for each in monitor["spec"]["podMetricsEndpoints"]}
    assert intervals == {f"{Conditions().scrape_s:g}s"}


def test_the_development_overlay_is_one_of_everything() -> None:
    """Every autoscaler there keeps one replica, and every workload asks for no more."""
    objects = render("overlays/dev")
    scaled = {
        each["metadata"]["name"]: (each["spec"]["minReplicas"], each["spec"]["maxReplicas"])
        for each in of_kind(objects, "HorizontalPodAutoscaler")
    }
    assert scaled.keys() == {each["metadata"]["name"] for each in services_of(objects)}
    assert set(scaled.values()) == {(1, 1)}
    assert all(each["spec"].get("replicas", 1) == 1 for each in of_kind(objects, "Deployment", "StatefulSet"))


def test_the_document_says_what_pods_ask_for() -> None:
    """The table's requests are the manifests', its figures those of the run of `make bench-usage` that is kept beside this."""
    text = (ROOT / "docs" / "deploy.md").read_text()
    pattern = r"^\| ([a-z-]+) \| (\d+) \| (\d+) \| (\d+) \| ([\d.]+) \| (.+) \|$"
    said = {row[0]: row[1:] for row in re.findall(pattern, text, re.MULTILINE)}
    templates = [*pod_templates(render(PROD)), (named(render("overlays/dev"), "StatefulSet", "nats"), None)]
    wanted = {}
    for each, _ in templates:
        if each["metadata"]["labels"][COMPONENT] in {"service", "skill", "bus"}:
            requests = each["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
            wanted[each["metadata"]["name"]] = f"{requests['cpu']}, {requests['memory']}"
    assert {name: row[-1] for name, row in said.items()} == wanted
    measured = json.loads((Path(__file__).parent / "usage.json").read_text())
    columns = (("resident_mib", 1), ("rest_millicores", 1), ("turn_cpu_ms", 1), ("start_cpu_s", 0.1))
    for name, row in said.items():
        process = "nats-server" if name == "nats" else f"{name.removeprefix('skill-')}-0"
        for (figure, digit), shown in zip(columns, row, strict=False):
            assert float(shown) == pytest.approx(measured[f"{process}.{figure}"], abs=0.51 * digit), (name, figure)


def test_a_pod_has_time_for_the_longest_turn_before_it_is_killed() -> None:
    """The grace time holds preStop, the drain, which is longer than an utterance and its recognition, and the farewell."""
    settings = AsrSettings()
    for each, template in pod_templates(render(PROD)):
        pod = template["spec"]
        for container in pod["containers"]:
            variables = {each["name"]: each.get("value", "") for each in container.get("env", ())}
            if "EARSHOT_DRAIN_TIMEOUT_S" not in variables:
                continue
            drain_s = float(variables["EARSHOT_DRAIN_TIMEOUT_S"])
            stop_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert drain_s > settings.maximum_length_s + settings.deadline_s, each["metadata"]["name"]
            assert pod["terminationGracePeriodSeconds"] > stop_s + drain_s + FAREWELL_S, each["metadata"]["name"]
