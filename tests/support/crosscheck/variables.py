"""Variables: each is read by the program that has it, which takes its value; none that it can't do without is missing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from support.crosscheck.cluster import FIELDS, Cluster, Container
from support.crosscheck.programs import asked, file_of, module_of, names, read_by, settings

# Read by others than our code, in any program of ours.
FOREIGN = {"GRPC_VERBOSITY", "HOME", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OTEL_EXPORTER_OTLP_ENDPOINT"}
FOREIGN |= {"OTEL_EXPORTER_OTLP_PROTOCOL", "POD_IP"}
# What those take.
_TAKEN = {
    "GRPC_VERBOSITY": r"ERROR|INFO|DEBUG|NONE",
    "OMP_NUM_THREADS": r"\d+",
    "OPENBLAS_NUM_THREADS": r"\d+",
    "OTEL_EXPORTER_OTLP_PROTOCOL": r"grpc",
}
# By any program in Go.
_GO = {"GOMEMLIMIT", "GOMAXPROCS", "GOGC"}
# What a variable may be told of its pod.
_OF_THE_POD = {
    "EARSHOT_INSTANCE_ID": "metadata.name",
    "EARSHOT_OPERATOR_SERVICES_NAMESPACE": "metadata.namespace",
    "POD_IP": "status.podIP",
    "POD_NAME": "metadata.name",
}
# What is right for one machine alone; in a pod it has to be said.
_HERE = re.compile(r"127\.0\.0\.1|localhost|^~|^/root|^/home")


def check(cluster: Cluster) -> Iterator[str]:
    """Yield what is wrong with variables."""
    for each in cluster.containers:
        yield from (f"{each.who}: {said}" for said in _names(each))
        yield from (f"{each.who}: {said}" for said in _fields(each))
        if each.image is not None:
            yield from (f"{each.who}: {said}" for said in _program(each))
        if each.serves:
            yield from (f"{each.who}: {said}" for said in _values(each))
            yield from (f"{each.who}: {said}" for said in _missing(each))


def _names(container: Container) -> Iterator[str]:
    listed = [each["name"] for each in container.spec.get("env", [])]
    if len(listed) != len(set(listed)):
        yield "a variable twice"
    texts = [*container.spec.get("command", []), *container.spec.get("args", [])]
    texts += [each["value"] for each in container.spec.get("env", []) if "value" in each]
    put_in = {name for text in texts for name in re.findall(r"\$\((\w+)\)", text)}
    yield from (f"$({name}) is no variable of it" for name in sorted(put_in - container.variables.keys()))
    configured = "\n".join(text for _, text in container.configured())
    asked_for = set(re.findall(r"\$\{env:(\w+)\}|(?<![\w$])\$([A-Z_]+)\b", configured))
    put_in_file = {one or other for one, other in asked_for}
    yield from (f"its file asks for ${name}" for name in sorted(put_in_file - container.variables.keys()))
    read = FOREIGN | read_by(container) if container.image else _GO
    for name, value in container.told.items():
        if not re.fullmatch(_TAKEN.get(name, r"(?s).*"), value):
            yield f"{name} can't be {value}"
    yield from (f"nobody reads {name}" for name in sorted(container.told.keys() - read - put_in - put_in_file))


def _fields(container: Container) -> Iterator[str]:
    for each in container.spec.get("env", []):
        path = each.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        if path is not None and (path not in FIELDS or _OF_THE_POD.get(each["name"]) != path):
            yield f"{each['name']} is told {path}"


def _program(container: Container) -> Iterator[str]:
    module = module_of(container)
    if not container.serves and (file_of(container) is None or container.spec["command"][0] != "python"):
        yield f"its image can't run {' '.join(container.command)}"
    elif module is not None:
        needed = asked(file_of(container)) & {"EARSHOT_NATS_URL", "EARSHOT_NATS_CREDENTIALS"}  # type: ignore[arg-type]
        yield from (f"{name} is missing" for name in sorted(needed - container.variables.keys()))


def _values(container: Container) -> tuple[str, ...]:
    assert container.image is not None
    told = {name: value for name, value in container.variables.items() if name.startswith("EARSHOT_")}
    return _refused(container.image.name, tuple(sorted(told.items())))


@cache
def _refused(distribution: str, told: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Return which settings take no such values."""
    refused = []
    with _environment(dict(told)):
        for found in settings(distribution):
            try:
                found()
            except ValueError as error:
                refused.append(f"{found.__name__} refuses its values: {error}")
    return tuple(refused)


def _missing(container: Container) -> Iterator[str]:
    assert container.image is not None
    for found in settings(container.image.name):
        for variable, field in names(found).items():
            default = found.model_fields[field].get_default(call_default_factory=True, validated_data={})
            if variable not in container.variables and _HERE.search(str(default)):
                yield f"{variable} is missing, and {default} is nothing in a pod"
    if "EARSHOT_NATS_CREDENTIALS" not in container.variables:
        yield "it has no credentials"


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Give this process a container's variables, and take them back."""
    before = {name: value for name, value in os.environ.items() if name.startswith("EARSHOT_")}
    for name in before:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update(before)
