"""What the objects of an overlay refer to is there: pods, ports, ConfigMaps, Secrets, settings, streams, consumers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml

from earshot_topology import flows
from earshot_topology.streams import CONSUMERS
from earshot_topology.subjects import SKILLS_API
from support.crosscheck.made import MADE, MADE_APART, Kept
from support.manifests import (
    ADMINS,
    COMPONENT,
    DEPLOY,
    NAME,
    OVERLAYS,
    Object,
    environment,
    named,
    of_kind,
    pod_templates,
    render,
    selects,
    services_of,
    validate,
)

Reference = tuple[str, str, str, str]
both = pytest.mark.parametrize("overlay", OVERLAYS)


def _kept(objects: tuple[Object, ...], made: Kept) -> Kept:
    """Return every ConfigMap and Secret with its keys."""
    rendered = {
        (each["kind"][0].lower() + each["kind"][1:], each["metadata"]["name"]): set(each.get("data", {}))
        for each in of_kind(objects, "ConfigMap", "Secret")
    }
    assert not rendered.keys() & made.keys()
    return rendered | made


def _referred(objects: tuple[Object, ...]) -> Iterator[Reference]:
    """Yield who refers to which key of what; "*" where it is any."""
    for workload, template in pod_templates(objects):
        who = workload["metadata"]["name"]
        for container in template["spec"]["containers"]:
            yield from (_variable(who, each["valueFrom"]) for each in container.get("env", []) if _is_kept(each))
        for volume in template["spec"].get("volumes", []):
            for source in volume.get("projected", {}).get("sources", [volume]):
                yield from _volume(who, source)
    for each in of_kind(objects, "TriggerAuthentication"):
        for reference in each["spec"]["configMapTargetRef"]:
            yield each["metadata"]["name"], "configMap", reference["name"], reference["key"]
    for each in of_kind(objects, "Gateway"):
        for listener in each["spec"]["listeners"]:
            for reference in listener["tls"]["certificateRefs"]:
                yield each["metadata"]["name"], "secret", reference["name"], "tls.crt"


def _is_kept(variable: Object) -> bool:
    return any(kind in variable.get("valueFrom", {}) for kind in ("configMapKeyRef", "secretKeyRef"))


def _variable(who: str, value_from: Object) -> Reference:
    ((kind, reference),) = value_from.items()
    return who, kind.removesuffix("KeyRef"), reference["name"], reference["key"]


def _volume(who: str, source: Object) -> Iterator[Reference]:
    for kind, name in (("secret", "secretName"), ("configMap", "name")):
        if kind in source:
            keys = [item["key"] for item in source[kind].get("items", [])]
            yield from ((who, kind, source[kind][name], key) for key in keys or ["*"])


@pytest.mark.parametrize("overlay", [*OVERLAYS, *ADMINS])
def test_every_configmap_and_secret_exists_with_its_key(overlay: str) -> None:
    """A pod that refers to what nobody makes would never start; a key that is not there, neither."""
    objects = render(f"overlays/{overlay}")
    kept, seen = _kept(objects, MADE_APART if overlay in ADMINS else MADE), 0
    for who, kind, name, key in _referred(objects):
        assert (kind, name) in kept, f"{who} needs {kind} {name}, which nobody makes"
        assert key == "*" or key in kept[kind, name], f"{who} needs {key} of {kind} {name}"
        seen += 1
    assert seen > (3 if overlay in ADMINS else 20)


@both
def test_credentials_are_the_service_s_own(overlay: str) -> None:
    """Every pod connects as its own user, and mounts nobody else's credentials."""
    for deployment in services_of(render(f"overlays/{overlay}")):
        spec = deployment["spec"]["template"]["spec"]
        secrets = {each["secret"]["secretName"] for each in spec["volumes"] if "secret" in each}
        assert secrets - {"bus-ca"} == {f"bus-{deployment['metadata']['name']}"}
        settings = environment(spec["containers"][0])
        # A skill is a user of the skills' account, which has JetStream elsewhere.
        skill = deployment["metadata"]["labels"][COMPONENT] == "skill"
        assert settings.get("EARSHOT_NATS_JETSTREAM_API") == (SKILLS_API if skill else None)


@both
def test_every_service_finds_its_pods_and_their_port(overlay: str) -> None:
    """A Service's selector means exactly the pods that it is named after, and each of its ports is one of theirs."""
    objects = render(f"overlays/{overlay}")
    for service in of_kind(objects, "Service"):
        name = service["metadata"]["name"]
        chosen = [
            (workload, template)
            for workload, template in pod_templates(objects)
            if selects({"matchLabels": service["spec"]["selector"]}, template["metadata"]["labels"])
        ]
        assert [workload["metadata"]["name"] for workload, _ in chosen] == [name.removesuffix("-gateway")]
        ports = {
            port["name"]: port["containerPort"]
            for container in chosen[0][1]["spec"]["containers"]
            for port in container["ports"]
        }
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"], name


@both
def test_every_selector_means_its_own_pods(overlay: str) -> None:
    """Deployments, budgets, spread constraints and network policies select the pods of their own workload."""
    objects = render(f"overlays/{overlay}")
    templates = {workload["metadata"]["name"]: template for workload, template in pod_templates(objects)}
    accounts = {each["metadata"]["name"] for each in of_kind(objects, "ServiceAccount")}
    for name, template in templates.items():
        labels = template["metadata"]["labels"]
        assert labels[NAME] == name
        assert template["spec"]["serviceAccountName"] == name
        assert name in accounts
        for constraint in template["spec"].get("topologySpreadConstraints", []):
            assert selects(constraint["labelSelector"], labels)
    for each in of_kind(objects, "Deployment", "StatefulSet", "PodDisruptionBudget"):
        chosen = [
            name
            for name, template in templates.items()
            if selects(each["spec"]["selector"], template["metadata"]["labels"])
        ]
        assert chosen == [each["metadata"]["name"]]
    for each in of_kind(objects, "NetworkPolicy"):
        if overlay == "prod" and each["metadata"]["name"].startswith("nats"):
            continue  # The official chart's pods.
        selector = each["spec"]["podSelector"]
        assert any(selects(selector, template["metadata"]["labels"]) for template in templates.values())


@both
def test_every_replica_is_spread(overlay: str) -> None:
    """Pods of a service go to different zones and nodes as far as there are any."""
    for deployment in services_of(render(f"overlays/{overlay}")):
        constraints = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        keys = [each["topologyKey"] for each in constraints]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]


@both
def test_who_needs_another_is_told_of_it(overlay: str) -> None:
    """A recogniser without the synthesiser says words by rules, and timers without the scheduler can't be set: nothing warns."""
    objects = render(f"overlays/{overlay}")
    for name, variable in (("asr", "EARSHOT_TTS_TARGET"), ("skill-timers", "EARSHOT_SCHEDULER_TARGET")):
        container = named(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"][0]
        assert variable in environment(container)


@both
def test_every_trigger_names_the_service_s_own_consumer(overlay: str) -> None:
    """A ScaledObject scales its own Deployment, by the lag of a consumer that topology declares for that service."""
    objects = render(f"overlays/{overlay}")
    authentications = {each["metadata"]["name"] for each in of_kind(objects, "TriggerAuthentication")}
    declared = {(each.stream, each.durable): each.service for each in CONSUMERS}
    for scaled in of_kind(objects, "ScaledObject"):
        name = scaled["metadata"]["name"]
        assert scaled["spec"]["scaleTargetRef"]["name"] == name
        named(objects, "Deployment", name)
        for trigger in scaled["spec"]["triggers"]:
            if trigger["type"] == "nats-jetstream":
                place = trigger["metadata"]["stream"], trigger["metadata"]["consumer"]
                assert declared[place] == name
            if "authenticationRef" in trigger:
                assert trigger["authenticationRef"]["name"] in authentications
    scaled_by_lag = {
        each["metadata"]["name"]
        for each in of_kind(objects, "ScaledObject")
        if any(trigger["type"] == "nats-jetstream" for trigger in each["spec"]["triggers"])
    }
    assert scaled_by_lag == ({each.service for each in CONSUMERS} if overlay == "prod" else set())


def test_the_voice_path_is_never_gone() -> None:
    """In production there are two of everything at least; plain autoscaling has the same bounds as KEDA's."""
    scaled = of_kind(render("overlays/prod"), "ScaledObject")
    assert {each["metadata"]["name"] for each in scaled} == {
        each["metadata"]["name"] for each in services_of(render("overlays/prod"))
    }
    assert all(each["spec"]["minReplicaCount"] >= 2 for each in scaled)
    assert all("idleReplicaCount" not in each["spec"] for each in scaled)


def test_plain_autoscaling_covers_what_keda_does() -> None:
    """Whoever has no KEDA has an autoscaler for every service: development has one of each, with KEDA's behaviour."""
    plain = {
        each["metadata"]["name"]: each["spec"] for each in of_kind(render("overlays/dev"), "HorizontalPodAutoscaler")
    }
    keda = {each["metadata"]["name"]: each["spec"] for each in of_kind(render("overlays/prod"), "ScaledObject")}
    assert plain.keys() == keda.keys()
    for name, spec in plain.items():
        assert spec["behavior"] == keda[name]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}


def test_plain_autoscaling_has_the_bounds_of_keda(tmp_path: Path) -> None:
    """The component takes both numbers of replicas from the ScaledObject; to be one of each is the development overlay's own wish."""
    base, component = (os.path.relpath(DEPLOY / folder, tmp_path) for folder in ("base", "components/hpa"))
    kinds = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump({**kinds, "resources": [base], "components": [component]})
    )
    objects = render(str(tmp_path))
    assert not of_kind(objects, "ScaledObject")
    plain = {
        each["metadata"]["name"]: (each["spec"]["minReplicas"], each["spec"]["maxReplicas"])
        for each in of_kind(objects, "HorizontalPodAutoscaler")
    }
    keda = {
        each["metadata"]["name"]: (each["spec"]["minReplicaCount"], each["spec"]["maxReplicaCount"])
        for each in of_kind(render("overlays/prod"), "ScaledObject")
    }
    assert plain == keda


@both
def test_ports_are_those_of_the_flows(overlay: str) -> None:
    """Network policies are made of port numbers in topology; pods listen on the same."""
    for deployment in services_of(render(f"overlays/{overlay}")):
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        media = {"media": flows.MEDIA_PORT} if deployment["metadata"]["name"] == "skill-music" else {}
        assert ports == {"grpc": flows.GRPC_PORT, "http": flows.HTTP_PORT, **media}
        variables = environment(container)
        assert variables["EARSHOT_GRPC_PORT"] == str(flows.GRPC_PORT)
        assert variables["EARSHOT_HTTP_PORT"] == str(flows.HTTP_PORT)
        assert deployment["spec"]["template"]["metadata"]["labels"][COMPONENT] in {"service", "skill"}


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Object, ...]:
    """Render the production overlay with typed turns from outside, which it has not as it is shipped."""
    folder = tmp_path_factory.mktemp("typed").resolve()
    added = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(DEPLOY / "overlays" / "prod", folder)],
        "components": [os.path.relpath(DEPLOY / "components" / "gateway-typed", folder)],
        "namespace": "earshot",
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(added))
    return render(str(folder))


def opened(objects: Iterable[Object]) -> list[tuple[str, list[Object], list[str]]]:
    """Return what routes let in: kind, what is matched, and to which Services it goes."""
    return [
        (route["kind"], rule["matches"], [to["name"] for to in rule["backendRefs"]])
        for route in objects
        if route["apiVersion"].startswith("gateway.networking.k8s.io/") and route["kind"] != "Gateway"
        for rule in route["spec"]["rules"]
    ]


def reached(objects: Iterable[Object]) -> list[str]:
    """Return which pods the namespace of gateways may connect to."""
    return [
        policy["spec"]["podSelector"]["matchLabels"][NAME]
        for policy in of_kind(objects, "NetworkPolicy")
        for rule in policy["spec"].get("ingress", [])
        for peer in rule["from"]
        if peer.get("namespaceSelector", {}).get("matchLabels") == {"kubernetes.io/metadata.name": "gateway-system"}
    ]


MUSIC = ("HTTPRoute", [{"path": {"type": "PathPrefix", "value": "/media"}}], ["skill-music-gateway"])
TYPED = ("GRPCRoute", [{"method": {"service": "earshot.dialogue.v1.Assistant"}}], ["dialogue-gateway"])


def test_gateway_routes_lead_to_services(typed: tuple[Object, ...]) -> None:
    """What comes from outside goes to a Service and port of the overlay, through its own gateway."""
    services = {
        (each["metadata"]["name"], port["port"]) for each in of_kind(typed, "Service") for port in each["spec"]["ports"]
    }
    gateways = {each["metadata"]["name"] for each in of_kind(typed, "Gateway")}
    routes = of_kind(typed, "HTTPRoute", "GRPCRoute")
    assert len(routes) == 2
    for route in routes:
        validate(route)
        assert {parent["name"] for parent in route["spec"]["parentRefs"]} <= gateways
        for rule in route["spec"]["rules"]:
            assert {(to["name"], to["port"]) for to in rule["backendRefs"]} <= services


def test_nothing_is_open_to_the_world_but_music(typed: tuple[Object, ...]) -> None:
    """Dialogue authenticates nobody: no overlay has a listener, a route, a Service or a policy that leads gateways to it."""
    for overlay in OVERLAYS:
        objects = render(f"overlays/{overlay}")
        assert opened(objects) == ([MUSIC] if overlay == "prod" else [])
        assert reached(objects) == (["skill-music"] if overlay == "prod" else [])
        listeners = [each["name"] for gateway in of_kind(objects, "Gateway") for each in gateway["spec"]["listeners"]]
        assert listeners == (["media"] if overlay == "prod" else [])
        assert "dialogue-gateway" not in {each["metadata"]["name"] for each in of_kind(objects, "Service")}
    assert sorted(opened(typed), key=lambda each: each[0]) == [TYPED, MUSIC]
    assert sorted(reached(typed)) == ["dialogue", "skill-music"]


def test_no_listener_is_shared_by_routes_of_both_kinds(typed: tuple[Object, ...]) -> None:
    """HTTPRoutes and GRPCRoutes have hosts of their own: an implementation takes only one kind of a listener's host."""
    (gateway,) = of_kind(typed, "Gateway")
    taken: dict[tuple[int, str], str] = {}
    for route in of_kind(typed, "HTTPRoute", "GRPCRoute"):
        for parent in route["spec"]["parentRefs"]:
            attached = [
                each for each in gateway["spec"]["listeners"] if parent.get("sectionName", each["name"]) == each["name"]
            ]
            assert attached
            for listener in attached:
                for host in route["spec"].get("hostnames", [listener.get("hostname", "*")]):
                    assert "*" not in host, "a wildcard may be the host of another route, too"
                    assert taken.setdefault((listener["port"], host), route["kind"]) == route["kind"]
    assert set(taken.values()) == {"GRPCRoute", "HTTPRoute"}


def test_music_is_at_the_host_that_its_route_is_for() -> None:
    """The address that the music skill gives out is that of the listener which its route is attached to."""
    objects = render("overlays/prod")
    (gateway,) = of_kind(objects, "Gateway")
    (route,) = of_kind(objects, "HTTPRoute")
    (parent,) = route["spec"]["parentRefs"]
    hosts = {each["name"]: each.get("hostname") for each in gateway["spec"]["listeners"]}
    url = named(objects, "ConfigMap", "skill-music")["data"]["public-url"]
    assert url == f"https://{hosts[parent.get('sectionName')]}"
