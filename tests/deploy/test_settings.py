"""What pods are told is what their services read; how long they may take to end is longer than what they may be doing."""

from __future__ import annotations

import copy

import pytest

from earshot_asr.settings import AsrSettings
from earshot_chassis.service import FAREWELL_S
from earshot_chassis.settings import ServiceSettings
from earshot_dialogue.settings import DialogueSettings
from earshot_local import patience
from support.crosscheck.programs import names
from support.manifests import BASES, OVERLAYS, environment, named, of_kind, render, services_of

OTEL = {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"}
both = pytest.mark.parametrize("overlay", OVERLAYS)
# What the interpreter takes to end.
INTERPRETER_S = 1.0


@both
def test_what_is_said_to_everybody_is_a_setting_of_everybody(overlay: str) -> None:
    """ConfigMaps that pods read whole hold settings that every service has, and every pod reads them."""
    objects = render(f"overlays/{overlay}")
    shared = {
        each["metadata"]["name"]: set(each["data"])
        for each in of_kind(objects, "ConfigMap")
        if each["metadata"]["name"].startswith("settings")
    }
    assert shared.keys() == ({"settings", "settings-otel"} if overlay == "prod" else set())
    for name, keys in shared.items():
        assert keys <= (OTEL if name == "settings-otel" else names(ServiceSettings).keys())
    for deployment in services_of(objects):
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        assert [each["configMapRef"] for each in container["envFrom"]] == [
            {"name": "settings", "optional": True},
            {"name": "settings-otel", "optional": True},
        ]
        (mount,) = [each for each in container["volumeMounts"] if each["name"] == "bus-ca"]
        assert mount["mountPath"] == "/var/run/earshot/ca"
    if overlay == "prod":
        told = named(objects, "ConfigMap", "settings")["data"]
        assert told == {"EARSHOT_NATS_CA": "/var/run/earshot/ca/ca.crt"}


@pytest.mark.parametrize("service", BASES)
def test_a_service_that_is_applied_alone_is_the_overlay_s(service: str) -> None:
    """`kubectl apply -k deploy/base/<service>` changes nothing that production's overlay made of it, but for the namespace."""
    for alone in render(f"base/{service}"):
        whole = copy.deepcopy(named(render("overlays/prod"), alone["kind"], alone["metadata"]["name"]))
        del whole["metadata"]["namespace"]
        assert whole == alone


@both
def test_pods_are_given_longer_than_a_turn(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in progress at SIGTERM can end: the longest turn fits into the drain, and the drain into the grace time."""
    objects = render(f"overlays/{overlay}")
    asr, dialogue = (
        environment(named(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"][0])
        for name in ("asr", "dialogue")
    )
    for variables in (asr, dialogue):
        for name, value in variables.items():
            if name.endswith("_S"):
                monkeypatch.setenv(name, value)
    listening, deciding = AsrSettings(), DialogueSettings()
    # From the start of the longest utterance to the deadline of its answer.
    turn_s = max(
        listening.maximum_length_s + listening.deadline_s,
        deciding.maximum_utterance_s + deciding.answer_within_s,
    )
    assert listening.deadline_s == deciding.answer_within_s
    for deployment in services_of(objects):
        spec = deployment["spec"]["template"]["spec"]
        drain_s = float(environment(spec["containers"][0])["EARSHOT_DRAIN_TIMEOUT_S"])
        leaving_s = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert drain_s > turn_s
        assert spec["terminationGracePeriodSeconds"] >= leaving_s + drain_s + FAREWELL_S + INTERPRETER_S


@both
def test_a_cluster_of_three_has_time_for_an_election(overlay: str) -> None:
    """Where the bus may be without a leader for seconds, turns have the time that the local cluster gives them."""
    objects = render(f"overlays/{overlay}")
    told: dict[str, str] = {}
    for deployment in services_of(objects):
        told |= environment(deployment["spec"]["template"]["spec"]["containers"][0])
    assert patience.of_services(3).items() <= told.items()
