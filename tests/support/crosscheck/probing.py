"""Probes: each asks what the program in the container really answers, and has patience enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from earshot_chassis.rpc_server import LIVE
from earshot_chassis.service import FAREWELL_S
from earshot_chassis.settings import ServiceSettings
from support.crosscheck.cluster import Cluster, Container, parsed
from support.manifests import COMPONENT, Object

KINDS = ("startup", "readiness", "liveness")
# What asks only whether the event loop turns: restarting mends nothing else.
_OURS = {"startup": LIVE, "readiness": "", "liveness": LIVE}
_CHASSIS = {"startup": {"/livez"}, "readiness": {"/readyz"}, "liveness": {"/livez"}}
# nats-server's /healthz; without one of these it fails with any stream that catches up.
_NATS_LIGHTER = {"js-enabled-only", "js-server-only"}
# A start reads models; a slow minute is no reason to kill anybody.
_START_S, _PATIENCE_S = 120, 20
_INTERPRETER_S = 1.0


def check(cluster: Cluster) -> Iterator[str]:
    """Yield what is wrong with probes."""
    for each in cluster.containers:
        if each.workload["kind"] in {"Job", "CronJob"}:
            continue
        probes = {kind: each.spec[f"{kind}Probe"] for kind in KINDS if f"{kind}Probe" in each.spec}
        for kind in {"readiness", "liveness"} - probes.keys():
            yield f"{each.who}: it has no {kind} probe"
        for kind, probe in probes.items():
            for said in (*_asked(each, kind, probe), *_patience(kind, probe, probes)):
                yield f"{each.who}: {kind} probe: {said}"
        leaving = _leaving(each) if each.serves else _listening(each)
        yield from (f"{each.who}: {said}" for said in leaving)


def _asked(container: Container, kind: str, probe: Object) -> Iterator[str]:
    asked = probe.get("grpc") or probe.get("httpGet")
    if asked is None or "host" in asked or asked.get("scheme", "HTTP") != "HTTP":
        yield "it asks nobody"
        return
    port = container.ports.get(asked["port"]) if isinstance(asked["port"], str) else asked["port"]
    if port not in container.ports.values():
        yield f"there is no port {asked['port']}"
        return
    answered = _answered(container)
    if port not in answered:
        yield f"nobody answers at {port}"
    elif "grpc" in probe:
        if answered[port] != "grpc" or asked.get("service", "") != _OURS[kind]:
            yield f"nobody answers for {asked.get('service')!r} at {port}"
    else:
        path = urlsplit(asked.get("path", "/"))
        if not _is_answered(answered[port], kind, path.path, path.query):
            yield f"nobody answers {asked.get('path')} at {port}"


def _answered(container: Container) -> dict[int, str]:
    """Return what kind of answers there are at which port."""
    if container.serves:
        ports = container.variables
        return {int(ports["EARSHOT_GRPC_PORT"]): "grpc", int(ports["EARSHOT_HTTP_PORT"]): "chassis"}
    found: dict[int, str] = {}
    for file, text in container.configured():
        if file.suffix == ".conf" and (monitor := re.search(r'^http: ".*:(\d+)"', text, re.MULTILINE)):
            found[int(monitor[1])] = "nats"
        if file.suffix == ".yaml":
            config = parsed(text)
            for name in config.get("service", {}).get("extensions", []):
                endpoint = (config.get("extensions", {}).get(name) or {}).get("endpoint", "")
                if name == "health_check" and (port := re.fullmatch(r"0\.0\.0\.0:(\d+)", endpoint)):
                    found[int(port[1])] = "collector"
    return found


def _listening(container: Container) -> Iterator[str]:
    """A nats-server listens where its ports are said to be."""
    for _, text in container.configured():
        for option, name in (("listen", "client"), ("http", "monitor")):
            found = re.search(rf'^{option}: "0\.0\.0\.0:(\d+)"', text, re.MULTILINE)
            if found and container.ports.get(name) != int(found[1]):
                yield f"at its port {name} nobody listens"


def _is_answered(by: str, kind: str, path: str, query: str) -> bool:
    asked = parse_qsl(query, keep_blank_values=True)
    if by == "nats":
        # Ready and alive are asked lightly; a start is over when everything is there.
        light = all(name in _NATS_LIGHTER and value == "true" for name, value in asked)
        return path == "/healthz" and light and (kind == "startup" or bool(asked))
    known = {"/"} if by == "collector" else _CHASSIS[kind] if by == "chassis" else set()
    return path in known and not asked


def _patience(kind: str, probe: Object, probes: dict[str, Object]) -> Iterator[str]:
    period, failures = probe.get("periodSeconds", 10), probe.get("failureThreshold", 3)
    timeout = probe.get("timeoutSeconds", 1)
    if min(period, failures, timeout) < 1 or probe.get("initialDelaySeconds", 0) > _START_S:
        yield "the API server refuses it, or it waits for ever"
    if timeout > max(period, 5) or probe.get("successThreshold", 1) != 1:
        yield f"{timeout} s for an answer, every {period} s"
    if kind == "startup" and not _START_S <= period * failures <= 600:
        yield f"{period * failures} s for a start"
    if kind == "liveness" and not _PATIENCE_S <= period * failures <= 300:
        yield f"restarted after {period * failures} s"
    if kind == "readiness" and not (period <= 10 and failures <= 3):
        yield f"taken out after {period * failures} s"
    if kind == "liveness" and "startup" not in probes and period * failures < 60:
        yield "it may be killed before it has begun"


def _leaving(container: Container) -> Iterator[str]:
    said = container.variables.get("EARSHOT_DRAIN_TIMEOUT_S")
    drain_s = float(said) if said else ServiceSettings.model_fields["drain_timeout_s"].default
    leaving_s = container.spec.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if container.workload["metadata"]["labels"].get(COMPONENT) in {"service", "skill"} and not leaving_s:
        yield "its callers do not learn that it goes before it does"
    grace_s = container.pod.get("terminationGracePeriodSeconds", 30)
    if not leaving_s + drain_s + FAREWELL_S + _INTERPRETER_S <= grace_s <= 300:
        yield f"it may take {leaving_s + drain_s} s to end, and is given {grace_s}"
