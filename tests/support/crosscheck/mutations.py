"""One wrong word at a time, each of which every schema lets pass: something would not start, not be reached or not be seen."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from support.crosscheck.cluster import Cluster, overlays_of
from support.manifests import Object


class Mutation(NamedTuple):
    """One wrong word.

    Attributes:
        object: Overlay, kind and name of what it stands in.
        right: What stands there, as JSON.
        wrong: What is put in its place.
        said: What a complaint of it says, among other words.
    """

    object: str
    right: str
    wrong: str
    said: str


OPERATOR = "prod Deployment operator"
ASR = "prod Deployment asr"
JOB = "prod Job bus-apply"
NATS = "dev StatefulSet nats"
CONFIG = "prod ConfigMap otel-collector-config"
GATEWAY = "prod Gateway earshot"
MONITOR = "prod PodMonitor earshot"
COLLECTOR = "prod Deployment otel-collector"
SPANS = "prod ConfigMap settings-otel"
BUS = "dev ConfigMap bus"
CLOCK = "prod Deployment skill-clock"

_PATHS = (
    Mutation(OPERATOR, "kubernetes.io/serviceaccount", "kubernetes.io/account", "its client looks for"),
    Mutation(OPERATOR, '"path": "namespace"', '"path": "name"', "its client looks for"),
    Mutation(
        OPERATOR, 'FOLDER", "value": "/var/run/earshot/signing', 'FOLDER", "value": "/var/run/earshot/signin', "lacks"
    ),
    Mutation(OPERATOR, "earshot/bus/user.creds", "earshot/buss/user.creds", "nobody puts"),
    Mutation(OPERATOR, "earshot/bus/user.creds", "earshot/bus/user.cred", "there is no"),
    Mutation(OPERATOR, "earshot/bus/user.creds", "user.creds", "nobody puts"),
    Mutation(OPERATOR, '"value": "/tmp"', '"value": "/home"', "can't be written"),
    Mutation(OPERATOR, '"name": "signing", "readOnly"', '"name": "sign", "readOnly"', "no volume is called so"),
    Mutation(JOB, "earshot/ca", "earshot/caa", "nobody puts"),
    Mutation(JOB, '"mountPath": "/var/run/earshot/bus"', '"mountPath": "/var/run/earshot"', "there is no"),
    Mutation(JOB, "bus-admin", "bus-apply", "there are []"),
    Mutation(ASR, '"mountPath": "/var/cache/earshot"', '"mountPath": "/var/cache/asr"', "can't be written"),
    Mutation(ASR, '"value": "/var/cache/earshot"', '"value": "/var/cached/earshot"', "can't be written"),
    Mutation(ASR, '"mountPath": "/var/run/earshot/ca"', '"mountPath": "/var/run/earshot/tls"', "nobody puts"),
    Mutation("prod ConfigMap settings", "ca/ca.crt", "ca/ca.pem", "there is no"),
    Mutation(
        "prod Deployment nlu", '"mountPath": "/var/cache/earshot"', '"mountPath": "/var/cache/nlu"', "can't be written"
    ),
    Mutation(
        "prod Deployment skill-music", '"mountPath": "/var/cache/earshot"', '"mountPath": "/var/earshot"', "can't be"
    ),
    Mutation(COLLECTOR, '"/etc/otel"', '"/etc/otlp"', "nobody puts"),
    Mutation(COLLECTOR, "collector-config.yaml", "config.yaml", "there is no"),
    Mutation(NATS, '"mountPath": "/etc/nats"', '"mountPath": "/etc/nat"', "nobody puts"),
    Mutation(NATS, '"mountPath": "/data"', '"mountPath": "/store"', "can't be written"),
    Mutation(NATS, "ldm=/var/run/nats/nats.pid", "ldm=/var/run/nats/nats-server.pid", "nobody writes"),
    Mutation(NATS, '"path": "trust.conf"', '"path": "trusted.conf"', "there is no"),
    Mutation(NATS, '"mountPath": "/var/run/nats"', '"mountPath": "/run/nats"', "can't be written"),
)
_VARIABLES = (
    Mutation(OPERATOR, '"EARSHOT_OPERATOR_NAMESPACE"', '"EARSHOT_OPERATOR_NAMESPAC"', "nobody reads"),
    Mutation(OPERATOR, '"EARSHOT_NATS_URL"', '"EARSHOT_NATS_URI"', "nobody reads"),
    Mutation(
        OPERATOR,
        '"EARSHOT_GRPC_HOST", "value": "0.0.0.0"',
        '"EARSHOT_GRPC_HOST", "value": "127.0.0.1"',
        "nobody reaches",
    ),
    Mutation(OPERATOR, '"metadata.namespace"', '"metadata.name"', "is told"),
    Mutation(ASR, "status.podIP", "status.hostIP", "POD_IP is told status.hostIP"),
    Mutation(ASR, '"value": "8"', '"value": "0"', "refuses its values"),
    Mutation(ASR, '"EARSHOT_ASR_CACHE"', '"EARSHOT_NLU_MODELS"', "nobody reads"),
    Mutation("prod Deployment dialogue", '"EARSHOT_DRAIN_TIMEOUT_S"', '"EARSHOT_DRAIN_TIMEOUT"', "nobody reads"),
    Mutation("prod Deployment tts", '"0.0.0.0"', '"127.0.0.1"', "nobody reaches"),
    Mutation(CLOCK, "$(POD_IP)", "$(PODIP)", "no variable"),
    Mutation(CLOCK, "$(POD_IP):50051", "$(POD_IP):50052", "it registers"),
    Mutation(JOB, "$(REPLICAS)", "$(COPIES)", "no variable"),
    Mutation(JOB, '"EARSHOT_NATS_URL"', '"EARSHOT_NATS_URI"', "nobody reads"),
    Mutation(JOB, "earshot_topology.apply", "earshot_topology.applying", "its image can't run"),
    Mutation(JOB, "earshot/dialogue:0.1.0", "earshot/dialog:0.1.0", "there is no image"),
    Mutation("prod ConfigMap settings", "EARSHOT_NATS_CA", "EARSHOT_BUS_CA", "nobody reads"),
    Mutation(SPANS, "EXPORTER_OTLP_ENDPOINT", "EXPORT_OTLP_ENDPOINT", "nobody reads"),
    Mutation(COLLECTOR, "BACKEND_ENDPOINT", "BACKEND", "its file asks for"),
    Mutation(NATS, '"POD_NAME"', '"POD"', "its file asks for"),
)
_ADDRESSES = (
    Mutation(SPANS, "otel-collector", "otel-colector", "there is no otel-colector"),
    Mutation(SPANS, "4317", "4318", "has no port 4318"),
    Mutation(SPANS, '"grpc"', '"http/protobuf"', "can't be http/protobuf"),
    Mutation(BUS, "nats://nats:4222", "nats://nat:4222", "there is no nat"),
    Mutation(BUS, "nats://nats:4222", "nats://nats:8222", "is not what nats speaks"),
    Mutation(BUS, "nats://nats:4222", "tls://nats:4222", "with or without TLS"),
    Mutation(BUS, "nats.earshot.svc.cluster.local:8222", "nats.earshot.svc.cluster.local:4222", "is not what"),
    Mutation("prod ConfigMap bus", "nats-headless:4222,", "nats-headles:4222,", "there is no"),
    Mutation("prod ConfigMap bus", "headless.earshot.svc", "headless.earshots.svc", "there is no"),
    Mutation(ASR, "dns:///tts:50051", "dns:///tts:8080", "is not what tts speaks"),
    Mutation(ASR, "dns:///tts:50051", "dns:///ttss:50051", "there is no ttss"),
    Mutation(ASR, "dns:///tts:50051", "dns:///nlu:50051", "nlu is somebody else"),
    Mutation(ASR, "dns:///tts:50051", "tts", "has no port"),
    Mutation("prod ConfigMap skill-music", "media.earshot", "music.earshot", "the gateway has no host"),
    Mutation("prod ScaledObject asr", "prometheus-operated", "prometheus", "there is no prometheus"),
)
_PROBES = (
    Mutation(OPERATOR, '"service": "live"', '"service": "alive"', "nobody answers for"),
    Mutation(OPERATOR, '"grpc": {"port": 50051, "service"', '"grpc": {"port": 50052, "service"', "there is no port"),
    Mutation(OPERATOR, '"grpc": {"port": 50051, "service"', '"grpc": {"port": 8080, "service"', "nobody answers for"),
    Mutation(OPERATOR, '"failureThreshold": 180', '"failureThreshold": 18', "for a start"),
    Mutation(ASR, '"readinessProbe"', '"readynessProbe"', "it has no readiness probe"),
    Mutation(ASR, '"sleep": {"seconds": 3}', '"sleep": {"seconds": 0}', "do not learn"),
    Mutation(ASR, '"terminationGracePeriodSeconds": 60', '"terminationGracePeriodSeconds": 30', "may take"),
    Mutation(NATS, "/healthz?js-server-only", "/healthzz?js-server-only", "nobody answers"),
    Mutation(NATS, "js-server-only", "js-server", "nobody answers"),
    Mutation(NATS, '"port": "monitor"', '"port": "client"', "nobody answers at 4222"),
    Mutation(NATS, '"containerPort": 8222', '"containerPort": 8223', "nobody answers at 8223"),
    Mutation(COLLECTOR, '"path": "/"', '"path": "/health"', "nobody answers"),
    Mutation(COLLECTOR, '"containerPort": 13133', '"containerPort": 13134', "nobody answers at 13134"),
)
_AMOUNTS = (
    Mutation(NATS, '"memory": "4Gi"', '"memory": "256Mi"', "below its request"),
    Mutation(NATS, "3GiB", "5GiB", "not between"),
    Mutation(NATS, "3GiB", "3Gi", "is no amount"),
    Mutation(NATS, '"storage": "20Gi"', '"storage": "20GB"', "is no quantity"),
    Mutation(ASR, '"memory": "2Gi"', '"memory": "2gi"', "is no quantity"),
    Mutation(ASR, '"memory": "2Gi"', '"memory": "2000m"', "implausible"),
    Mutation(ASR, '"cpu": "2"', '"cpu": "2000"', "implausible"),
    Mutation(ASR, '"sizeLimit": "1Gi"', '"sizeLimit": "1"', "implausible"),
    Mutation(OPERATOR, '"memory": "320Mi"', '"memory": "32Mi"', "below its request"),
)
_THE_COLLECTOR = (
    Mutation(CONFIG, "exporters: [otlphttp]", "exporters: [otlphtp]", "declared and used"),
    Mutation(CONFIG, "receivers: [otlp]", "receivers: [otpl]", "declared and used"),
    Mutation(CONFIG, "[memory_limiter, batch]", "[batch, memory_limiter]", "not the first"),
    Mutation(CONFIG, "extensions: [health_check]", "extensions: []", "declared and used"),
    Mutation(CONFIG, "otlphttp", "otlp_http", "nobody knows otlp_http"),
    Mutation(CONFIG, "0.0.0.0:13133", "0.0.0.0:13134", "nobody listens"),
    Mutation(CONFIG, "0.0.0.0:4317", "127.0.0.1:4317", "nobody listens"),
    Mutation(CONFIG, "      grpc:", "      http:", "another protocol"),
    Mutation(CONFIG, "endpoint: ${env:", "endpont: ${env:", "has no endpont"),
    Mutation(CONFIG, "    traces:", "    metrics:", "spans have no pipeline"),
    Mutation(CONFIG, "limit_percentage: 80", "limit_percentage: 10", "not limited"),
)
_GATEWAYS_AND_METRICS = (
    Mutation(GATEWAY, "Terminate", "Passthrough", "Passthrough of HTTPS"),
    Mutation(GATEWAY, '"protocol": "HTTPS"', '"protocol": "HTTP"', "HTTP at 443"),
    Mutation(GATEWAY, '"name": "media"', '"name": "music"', "no listener takes it"),
    Mutation(GATEWAY, '"hostname": "media.', '"hostname": "api.', "the gateway has no host"),
    Mutation(GATEWAY, '"from": "Same"', '"from": "Selector"', "its own namespace"),
    Mutation("prod HTTPRoute skill-music", '"port": 8090', '"port": 8080', "there is no"),
    Mutation(MONITOR, "/metrics", "/metricz", "no metrics at"),
    Mutation(MONITOR, '"port": "http"', '"port": "grpc"', "no metrics at its port"),
    Mutation(MONITOR, '"operator"]', '"operators"]', "nobody scrapes Deployment operator"),
    Mutation(MONITOR, '"5s"', '"5m"', "too seldom"),
)
_WORKLOADS = (
    Mutation(JOB, '"backoffLimit": 20', '"backoffLimit": 0', "it is tried 0 times"),
    Mutation(JOB, '"OnFailure"', '"Always"', "restartPolicy"),
    Mutation(JOB, '"ttlSecondsAfterFinished": 300', '"ttlSecondsAfterFinished": 0', "nobody sees"),
    Mutation(ASR, '"progressDeadlineSeconds": 600', '"progressDeadlineSeconds": 60', "a rollout fails"),
    Mutation(ASR, '"maxUnavailable": 0', '"maxUnavailable": 1', "takes pods away"),
    Mutation("prod Service tts", '"clusterIP": "None"', '"type": "ClusterIP"', "its address is None"),
    Mutation("prod Service tts", "kubernetes.io/h2c", "http", "one speaks http"),
    Mutation(ASR, '"type": "RollingUpdate"', '"type": "Rolling"', "strategy"),
    Mutation(ASR, '"whenUnsatisfiable": "ScheduleAnyway"', '"whenUnsatisfiable": "Anyway"', "Anyway"),
    Mutation(ASR, "kubernetes.io/hostname", "kubernetes.io/host", "topologyKey"),
    Mutation(ASR, '"containerPort": 8080', '"containerPort": 50051', "ports have one"),
    Mutation(OPERATOR, "operator:0.1.0", "operator:0.1.1", "is not 0.1.0"),
    Mutation(NATS, '"serviceName": "nats"', '"serviceName": "bus"', "no headless Service"),
    Mutation(NATS, '"--config"', '"--confg"', "it is not started by"),
    Mutation(NATS, '"nats-server", "--signal"', '"nats", "--signal"', "nothing is done by"),
    Mutation(NATS, '"containerPort": 4222', '"containerPort": 4223', "nobody listens"),
    Mutation(COLLECTOR, "--config=", "-config ", "it is not started by"),
    Mutation("dev HorizontalPodAutoscaler asr", '"Utilization"', '"Utilisation"', "it scales by"),
    Mutation(NATS, "nats:2.15.1", "nats:2.10.1", "is not the server"),
    Mutation("dev HorizontalPodAutoscaler asr", '"maxReplicas": 1', '"maxReplicas": 0', "from 1 to 0"),
    Mutation(
        "prod ScaledObject asr", '"scaleTargetRef": {"name": "asr"', '"scaleTargetRef": {"name": "asrs"', "there is no"
    ),
)
_REFERENCES = (
    Mutation(OPERATOR, '"name": "settings-otel"', '"name": "settings-otlp"', "it reads the settings of"),
    Mutation(OPERATOR, '"optional": true', '"optional": false', "is needed"),
    Mutation(OPERATOR, '"secretName": "bus-operator"', '"secretName": "bus-operators"', "there are []"),
    Mutation(OPERATOR, '"expirationSeconds": 3607', '"expirationSeconds": 36', "short-lived"),
    Mutation(OPERATOR, '"fieldPath": "metadata.namespace"', '"fieldPath": "metadata.uid"', "is told metadata.uid"),
    Mutation("prod RoleBinding operator", '"kind": "Role"', '"kind": "ClusterRole"', "there is no"),
    Mutation(
        "prod RoleBinding operator",
        '"name": "operator", "namespace"',
        '"name": "operators", "namespace"',
        "there is no",
    ),
)

MUTATIONS: Final = (
    *_PATHS,
    *_VARIABLES,
    *_ADDRESSES,
    *_PROBES,
    *_AMOUNTS,
    *_THE_COLLECTOR,
    *_GATEWAYS_AND_METRICS,
    *_WORKLOADS,
    *_REFERENCES,
)


def mutated(mutation: Mutation) -> Cluster:
    """Return the cluster with that one word in place of what stands there."""
    overlay, kind, name = mutation.object.split()
    objects, found = [], 0
    for each in overlays_of(overlay):
        # kustomize appends a hash to the names of some.
        if each["kind"] == kind and name in (each["metadata"]["name"], each["metadata"]["name"].rpartition("-")[0]):
            objects.append(_with(each, mutation))
            found += objects[-1] != each
        else:
            objects.append(each)
    assert found, f"{mutation.right} stands in no {kind} {name}"
    return Cluster(tuple(objects))


def _with(content: Object, mutation: Mutation) -> Object:
    changed: Object = json.loads(json.dumps(content).replace(mutation.right, mutation.wrong))
    return changed
