"""The collector's configuration: pipelines of declared components, which this distribution has, set as they can be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from support.crosscheck.cluster import Cluster, Container, parsed

_SECTIONS = ("receivers", "processors", "exporters", "extensions")
# Of the image that we use (otel/opentelemetry-collector), with the settings of theirs that we could need.
_KNOWN: dict[str, dict[str, set[str]]] = {
    "receivers": {"otlp": {"protocols"}},
    "processors": {
        "batch": {"send_batch_size", "send_batch_max_size", "timeout"},
        "memory_limiter": {
            "check_interval",
            "limit_percentage",
            "spike_limit_percentage",
            "limit_mib",
            "spike_limit_mib",
        },
    },
    "exporters": {"otlphttp": {"endpoint", "headers", "tls", "compression", "sending_queue", "retry_on_failure"}},
    "extensions": {"health_check": {"endpoint", "path"}},
}
_IMAGE = re.compile(r"(?:.*/)?otel/opentelemetry-collector:\d+\.\d+\.\d+")
_LISTENS = re.compile(r"0\.0\.0\.0:(\d+)")


def check(cluster: Cluster) -> Iterator[str]:
    """Yield what is wrong with the configuration of collectors."""
    for each in cluster.containers:
        if each.workload["metadata"]["name"] == "otel-collector":
            yield from (f"{each.who}: {said}" for said in _container(each))


def _container(container: Container) -> Iterator[str]:
    if not _IMAGE.fullmatch(container.spec["image"]):
        yield f"what {container.spec['image']} knows is not known here"
    files = [part.removeprefix("--config=") for part in container.command if part.startswith("--config=")]
    texts = [text for path, text in container.configured() if str(path) in files]
    if len(texts) != 1:
        yield f"it reads {files}"
        return
    config = parsed(texts[0])
    yield from (f"{name} is no section" for name in sorted(config.keys() - {*_SECTIONS, "service"}))
    yield from _components(config)
    yield from _pipelines(config)
    yield from _limiter(config.get("processors", {}).get("memory_limiter", {}))
    received = config.get("receivers", {}).get("otlp", {}).get("protocols", {})
    listening = {"health": config.get("extensions", {}).get("health_check") or {}} | {
        "otlp": received.get("grpc") or {}
    }
    for name, component in listening.items():
        found = _LISTENS.fullmatch(component.get("endpoint", ""))
        if found is None or container.ports.get(name) != int(found[1]):
            yield f"at its port {name} nobody listens: {component}"
    if received.keys() != {
        container.cluster.config(container.namespace, "settings-otel")["OTEL_EXPORTER_OTLP_PROTOCOL"]
    }:
        yield f"services speak another protocol than {set(received)}"


def _components(config: dict[str, Any]) -> Iterator[str]:
    for section, known in _KNOWN.items():
        for name, component in config.get(section, {}).items():
            kind = name.partition("/")[0]
            if kind not in known:
                yield f"{section}: nobody knows {name}"
            elif unknown := set(component or {}) - known[kind]:
                yield f"{section}: {name} has no {', '.join(sorted(unknown))}"
    for name, component in config.get("exporters", {}).items():
        if not re.fullmatch(r"\$\{env:\w+\}", component.get("endpoint", "")):
            yield f"{name} sends to {component.get('endpoint')}"


def _pipelines(config: dict[str, Any]) -> Iterator[str]:
    service = config.get("service", {})
    used: dict[str, set[str]] = {section: set() for section in _SECTIONS}
    used["extensions"] |= set(service.get("extensions", []))
    pipelines = service.get("pipelines", {})
    if "traces" not in pipelines or any(name.partition("/")[0] != "traces" for name in pipelines):
        yield f"spans have no pipeline: {sorted(pipelines)}"
    for name, pipeline in pipelines.items():
        for section in ("receivers", "exporters"):
            if not pipeline.get(section):
                yield f"{name} has no {section}"
        for section, names in pipeline.items():
            used.setdefault(section, set()).update(names)
        processors = pipeline.get("processors", [])
        if processors[:1] != ["memory_limiter"]:
            yield f"{name}: what limits memory is not the first: {processors}"
    for section, names in used.items():
        if names ^ set(config.get(section, {})):
            yield f"{section}: declared and used are not the same: {sorted(names)}"


def _limiter(limiter: dict[str, Any]) -> Iterator[str]:
    limit, spike = limiter.get("limit_percentage", 0), limiter.get("spike_limit_percentage", 0)
    if not (0 < spike < limit <= 90 and re.fullmatch(r"\d+s", str(limiter.get("check_interval")))):
        yield f"memory is not limited by {limiter}"
