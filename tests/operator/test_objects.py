"""What a Skill becomes is what a skill of deploy/base is."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import pytest
import yaml

from earshot_operator.core import objects, verdicts
from earshot_operator.core.pods import PRE_STOP_S, drain_s
from earshot_operator.core.scaling import unmet
from earshot_operator.core.skill import ID, parse
from earshot_operator.errors import InvalidSkillError
from earshot_operator.settings import OperatorSettings
from earshot_topology.policies import NAMESPACE, PRIVATE, SCHEDULING_LABEL
from support.kube.operating import ROOT
from support.manifests import environment, named, render, validate

# What depends on the deadline, and on what was measured of a skill.
OWN = {"EARSHOT_DRAIN_TIMEOUT_S"}


def skill(**spec):
    """Return the Skill that is to be the clock."""
    body = {
        "metadata": {"name": "clock", "namespace": "earshot-skills", "uid": "u", "generation": 1},
        "spec": {"image": "earshot/skill-clock:0.1.0", "locales": ["en-US"], **spec},
    }
    return parse(body)


@pytest.fixture
def platform(monkeypatch):
    """What the operator of the overlay prod is told."""
    deployment = named(render("overlays/prod"), "Deployment", "operator")
    bus = named(render("overlays/prod"), "ConfigMap", "bus")["data"]
    referred = {"configMap bus monitoring-endpoint": bus["monitoring-endpoint"], "configMap bus-trust account": "AACC"}
    for name, value in environment(deployment["spec"]["template"]["spec"]["containers"][0]).items():
        if name.startswith("EARSHOT_OPERATOR_") and not value.startswith("field "):
            monkeypatch.setenv(name, referred.get(value, value))
    return OperatorSettings().platform()


def by_name(items, field="name"):
    """Return a list of named things as a mapping."""
    return {each[field]: each for each in items}


def test_its_pods_are_those_of_deploy_base(platform):
    """Security, probes, variables, volumes and spread are the same, line for line."""
    shipped = named(render("overlays/prod"), "Deployment", "skill-clock")["spec"]
    template = objects.desired_template(skill(), platform)
    made = objects.deployment(skill(), platform, template, verified=True)["spec"]
    assert made.keys() == shipped.keys()
    for field in ("strategy", "revisionHistoryLimit", "progressDeadlineSeconds", "selector"):
        assert made[field] == shipped[field], field
    assert made["template"]["metadata"]["labels"].items() >= shipped["template"]["metadata"]["labels"].items()
    ours, theirs = made["template"]["spec"], shipped["template"]["spec"]
    assert ours.keys() == theirs.keys()
    for field in ours.keys() - {"containers", "volumes", "terminationGracePeriodSeconds"}:
        assert ours[field] == theirs[field], field
    assert by_name(ours["volumes"]) == by_name(theirs["volumes"])
    (our,), (their,) = ours["containers"], theirs["containers"]
    assert our.keys() == their.keys()
    for field in our.keys() - {"env", "volumeMounts", "resources"}:
        assert our[field] == their[field], field
    assert by_name(our["volumeMounts"]) == by_name(their["volumeMounts"])
    assert our["resources"].keys() == their["resources"].keys()
    mine, base = by_name(our["env"]), by_name(their["env"])
    assert {name: mine[name] for name in mine.keys() - OWN} == {name: base[name] for name in base.keys() - OWN}


def seen_from_beside(policy):
    """Return what a policy would be in the services' namespace."""
    made = copy.deepcopy(policy)
    rules = [*made["spec"]["ingress"], *made["spec"]["egress"]]
    for peer in (peer for rule in rules for peer in rule.get("from", rule.get("to"))):
        if peer.get("namespaceSelector") == {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}:
            del peer["namespaceSelector"]
    return made


@pytest.mark.parametrize("kind", ["Service", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget", "ScaledObject"])
def test_its_surroundings_are_those_of_deploy_base(platform, kind):
    """Each object is the same, but for its owner and one label more, and where it meets who is in the services' namespace."""
    shipped = named(render("overlays/prod"), kind, "skill-clock")
    found = [*objects.surroundings(skill(), platform), objects.autoscaler(skill(), platform)]
    made = named(found, kind, "skill-clock")
    if kind == "NetworkPolicy":
        made = seen_from_beside(made)
    assert {name: value for name, value in made.items() if name != "metadata"} == {
        name: value for name, value in shipped.items() if name != "metadata"
    }
    assert made["metadata"]["labels"].items() >= shipped["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("request_", "limit"),
    [("192Mi", "384Mi"), ("1.5Gi", "3Gi"), ("0.7Gi", "1.4Gi"), ("200000000", "400000000"), ("1e9", "2000000000")],
)
def test_the_memory_limit_is_twice_the_request(platform, request_, limit):
    """However the request is written: in its own unit where it has one."""
    template = objects.desired_template(skill(resources={"memory": request_}), platform)
    resources = template["spec"]["containers"][0]["resources"]
    assert (resources["requests"]["memory"], resources["limits"]) == (request_, {"memory": limit})


def test_quantities_are_checked_by_the_definition():
    """What a pod's quantities may be in their usual forms, and nothing else."""
    definition = yaml.safe_load((ROOT / "deploy" / "crds" / "skills.yaml").read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    fields = schema["properties"]["spec"]["properties"]["resources"]["properties"]
    right = {"cpu": ("50m", "1", "0.5", "1.250"), "memory": ("192Mi", "1.5Gi", "200000000", "1G")}
    wrong = {"cpu": ("", "fast", "50Mi", "-1", "0.0001", "1.5m"), "memory": ("", "much", "1.5", "192mb", "-1Gi", "50m")}
    for name, field in fields.items():
        assert re.search(field["pattern"], field["default"])
        assert all(re.search(field["pattern"], text) for text in right[name])
        assert not any(re.search(field["pattern"], text) for text in wrong[name])


def test_what_it_asks_for_is_given(platform):
    """Secrets, places outside, the scheduler and a consumer of its own: where they are asked for, and valid."""
    asking = skill(
        deadline="20s",
        scheduler=True,
        secrets=[{"env": "EARSHOT_WEATHER_API_KEY", "name": "weather", "key": "api-key"}],
        egress=[{"cidr": "0.0.0.0/0", "ports": [443]}],
        scale={"min": 3, "max": 30, "lag": 5, "consumer": {"stream": "NEWS", "durable": "news"}},
    )
    template = objects.desired_template(asking, platform)
    made = [
        *objects.surroundings(asking, platform),
        objects.deployment(asking, platform, template, verified=True),
        objects.autoscaler(asking, platform),
    ]
    for content in made:
        validate(content)
    spec = template["spec"]
    variables = environment(spec["containers"][0])
    assert variables["EARSHOT_WEATHER_API_KEY"] == "secret weather api-key"
    assert variables["EARSHOT_SCHEDULER_TARGET"] == "dns:///scheduler.earshot:50051"
    assert template["metadata"]["labels"][SCHEDULING_LABEL] == "true"
    assert SCHEDULING_LABEL not in objects.desired_template(skill(), platform)["metadata"]["labels"]
    assert float(variables["EARSHOT_DRAIN_TIMEOUT_S"]) == drain_s(asking) >= asking.deadline_s
    assert spec["terminationGracePeriodSeconds"] > PRE_STOP_S + drain_s(asking)
    egress = named(made, "NetworkPolicy", "skill-clock")["spec"]["egress"]
    assert {
        "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": list(PRIVATE)}}],
        "ports": [{"protocol": "TCP", "port": 443}],
    } in egress
    triggers = by_name(named(made, "ScaledObject", "skill-clock")["spec"]["triggers"], "type")
    assert triggers["nats-jetstream"] == {
        "type": "nats-jetstream",
        "metadata": {
            "natsServerMonitoringEndpoint": platform.bus_monitoring,
            "accountID": platform.bus_account,
            "stream": "NEWS",
            "consumer": "news",
            "lagThreshold": "5",
        },
    }


@pytest.mark.parametrize(
    ("cidr", "closed"),
    [
        ("8.0.0.0/6", ["10.0.0.0/8"]),
        ("160.0.0.0/3", ["172.16.0.0/12", "169.254.0.0/16"]),
        ("::/0", ["fc00::/7", "fe80::/10"]),
        ("10.0.0.0/8", None),
        ("10.1.0.0/16", None),
        ("93.184.216.0/24", None),
    ],
)
def test_private_addresses_are_opened_by_their_own_entry_alone(platform, cidr, closed):
    """The API server and a node's metadata are not on the Internet; whoever lists a private range reaches it."""
    asking = skill(egress=[{"cidr": cidr, "ports": [443]}])
    made = named(objects.surroundings(asking, platform), "NetworkPolicy", "skill-clock")
    block = made["spec"]["egress"][-1]["to"][0]["ipBlock"]
    assert (block["cidr"], block.get("except")) == (cidr, closed)


def test_without_keda_replicas_are_said(platform):
    """Nobody else would say how many there are to be."""
    template = objects.desired_template(skill(), platform)
    assert "replicas" not in objects.deployment(skill(), platform, template, verified=True)["spec"]
    assert objects.deployment(skill(), replace(platform, keda=False), template, verified=True)["spec"]["replicas"] == 2


def test_what_an_image_is_judged_by_makes_a_revision(platform):
    """What was found right, or wrong, is asked anew when another image, other locales or another deadline are wanted."""
    specs = ({}, {"image": "earshot/skill-clock:0.2.0"}, {"locales": ["zh-CN"]}, {"deadline": "9s"})
    revisions = [verdicts.revision_of(objects.desired_template(skill(**spec), platform)) for spec in specs]
    assert len(set(revisions)) == len(specs)
    same = objects.desired_template(skill(scale={"min": 3}), platform)
    assert verdicts.revision_of(same) == revisions[0]


def test_calls_in_progress_are_asked_of_the_prometheus_of_the_others(platform):
    """Of the one that asr's trigger names, in the Skill's namespace, and nothing scraped is not nought."""
    asking = skill(scale={"lag": 5})
    (theirs,) = [
        each
        for each in named(render("overlays/prod"), "ScaledObject", "asr")["spec"]["triggers"]
        if each["type"] == "prometheus"
    ]
    made = objects.autoscaler(asking, platform)
    validate(made)
    trigger = by_name(made["spec"]["triggers"], "type")["prometheus"]
    for field in ("serverAddress", "ignoreNullValues"):
        assert trigger["metadata"][field] == theirs["metadata"][field]
    assert trigger["metricType"] == theirs["metricType"]
    query = 'sum(rate(earshot_rpc_server_duration_seconds_sum{namespace="earshot-skills",pod=~"skill-clock-.*"}[30s]))'
    assert (trigger["metadata"]["query"], trigger["metadata"]["threshold"]) == (query, "5")
    assert unmet(asking, platform) is None


def test_what_a_skill_asks_for_and_can_t_have_is_told(platform):
    """Who asks for calls in progress where no Prometheus is known; nobody else, and not where nothing scales."""
    alone = replace(platform, prometheus_url="")
    reason, message = unmet(skill(scale={"lag": 5}), alone)
    assert (reason, "EARSHOT_OPERATOR_PROMETHEUS_URL" in message) == ("PrometheusMissing", True)
    consumer = {"lag": 5, "consumer": {"stream": "NEWS", "durable": "news"}}
    assert [unmet(skill(scale=scale), alone) for scale in ({}, consumer)] == [None, None]
    assert unmet(skill(scale={"lag": 5}), replace(alone, keda=False)) is None
    types = [each["type"] for each in objects.autoscaler(skill(scale={"lag": 5}), alone)["spec"]["triggers"]]
    assert types == ["cpu"]


def test_the_definition_takes_the_names_that_the_operator_takes():
    """A name that the operator would refuse is refused when it is written."""
    (definition,) = yaml.safe_load_all((ROOT / "deploy" / "crds" / "skills.yaml").read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert schema["properties"]["metadata"]["properties"]["name"]["pattern"] == f"^{ID.pattern}$"


@pytest.mark.parametrize(
    "spec",
    [
        {"scale": {"min": 3, "max": 2}},
        {"secrets": [{"env": "EARSHOT_NATS_URL", "name": "a", "key": "b"}]},
        {"secrets": [{"env": "LD_PRELOAD", "name": "a", "key": "b"}]},
        {"deadline": "40s"},
        {"secrets": [{"env": "A", "name": "bus-admin", "key": "user.creds"}]},
        {"secrets": [{"env": "A", "name": "bus-skill-other", "key": "user.creds"}]},
        {"egress": [{"cidr": "1.2.3.4.5/8", "ports": [443]}]},
    ],
)
def test_what_can_t_run_is_told(spec):
    """What the definition's schema can't say is said by the operator, with a code."""
    with pytest.raises(InvalidSkillError) as caught:
        skill(**spec)
    assert caught.value.code == "invalid_skill"
