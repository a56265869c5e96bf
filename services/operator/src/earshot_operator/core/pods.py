"""The pod of a skill, under the rules of the "restricted" pod security standard."""

from __future__ import annotations

import string
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from earshot_operator.core.platform import Platform
from earshot_operator.core.skill import Skill
from earshot_topology.subjects import SKILLS_API

Object = dict[str, Any]
GRPC_PORT = 50_051
HTTP_PORT = 8_080
CREDENTIAL_KEY = "user.creds"
CREDENTIAL_FOLDER = "/var/run/earshot/bus"
# Callers learn from DNS and from the registry that it goes, before it does.
PRE_STOP_S = 3
# Hooks, the bus's goodbye and telemetry after the last call (earshot_chassis.service.FAREWELL_S), and the interpreter's end.
FAREWELL_S = 5
_USER = 10_001
_CA_FOLDER = "/var/run/earshot/ca"
_CA_ITEM = {"key": "ca.crt", "path": "ca.crt"}


def drain_s(skill: Skill) -> int:
    """Return how long calls in progress may take after SIGTERM: each of them as long as it is allowed to, and a retry."""
    return 2 * skill.deadline_s


def pod_template(skill: Skill, platform: Platform, labels: Mapping[str, str], selector: Mapping[str, str]) -> Object:
    """Return the template."""
    return {
        "metadata": {"labels": dict(labels)},
        "spec": {
            "serviceAccountName": skill.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": PRE_STOP_S + drain_s(skill) + FAREWELL_S,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "fsGroup": _USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [
                {
                    "topologyKey": key,
                    "maxSkew": 1,
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": dict(selector)},
                }
                for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
            ],
            "containers": [_container(skill, platform)],
            "volumes": [
                {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
                {"name": "bus", "secret": {"secretName": skill.credential, "defaultMode": 0o440}},
                {"name": "bus-ca", "secret": {"secretName": "bus-ca", "optional": True, "items": [_CA_ITEM]}},
            ],
        },
    }


def _container(skill: Skill, platform: Platform) -> Object:
    return {
        "name": "service",
        "image": skill.image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "grpc", "containerPort": GRPC_PORT}, {"name": "http", "containerPort": HTTP_PORT}],
        # What is said to every pod: by the overlay, and by components.
        "envFrom": [{"configMapRef": {"name": name, "optional": True}} for name in ("settings", "settings-otel")],
        "env": [*_environment(skill, platform), *_secrets(skill)],
        "resources": {
            "requests": {"cpu": skill.cpu, "memory": skill.memory},
            "limits": {"memory": _doubled(skill.memory)},
        },
        "startupProbe": _probe("live", every=1, timeout=2, failures=180),
        "readinessProbe": _probe("", every=3, timeout=2, failures=2),
        "livenessProbe": _probe("live", every=10, timeout=5, failures=3),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_S}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own, which is why it is there
            {"name": "bus", "mountPath": CREDENTIAL_FOLDER, "readOnly": True},
            {"name": "bus-ca", "mountPath": _CA_FOLDER, "readOnly": True},
        ],
    }


def _environment(skill: Skill, platform: Platform) -> list[Object]:
    made: list[Object] = [
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "EARSHOT_INSTANCE_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "EARSHOT_NATS_URL", "valueFrom": {"configMapKeyRef": {"name": platform.bus_config, "key": "url"}}},
    ]
    values = {
        "EARSHOT_NATS_CREDENTIALS": f"{CREDENTIAL_FOLDER}/{CREDENTIAL_KEY}",
        "EARSHOT_NATS_JETSTREAM_API": SKILLS_API,
        "EARSHOT_GRPC_HOST": "0.0.0.0",
        "EARSHOT_GRPC_PORT": str(GRPC_PORT),
        "EARSHOT_HTTP_HOST": "0.0.0.0",
        "EARSHOT_HTTP_PORT": str(HTTP_PORT),
        "EARSHOT_SKILL_TARGET": f"$(POD_IP):{GRPC_PORT}",
        "EARSHOT_DRAIN_TIMEOUT_S": str(drain_s(skill)),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "GRPC_VERBOSITY": "ERROR",
        "HOME": "/tmp",  # noqa: S108 - as above
    }
    if skill.scheduler:
        values["EARSHOT_SCHEDULER_TARGET"] = platform.scheduler_target
    return made + [{"name": name, "value": value} for name, value in values.items()]


def _secrets(skill: Skill) -> list[Object]:
    return [
        {"name": each.env, "valueFrom": {"secretKeyRef": {"name": each.name, "key": each.key}}}
        for each in skill.secrets
    ]


def _probe(service: str, *, every: int, timeout: int, failures: int) -> Object:
    asked: Object = {"port": GRPC_PORT} | ({"service": service} if service else {})
    return {"grpc": asked, "periodSeconds": every, "timeoutSeconds": timeout, "failureThreshold": failures}


def _doubled(memory: str) -> str:
    """Double a quantity in its own unit. One that is none stays as it is: the API server refuses it, and says why."""
    number = memory.rstrip(string.ascii_letters)
    try:
        doubled = Decimal(number) * 2
    except InvalidOperation:
        return memory
    return f"{doubled.normalize():f}{memory.removeprefix(number)}"
