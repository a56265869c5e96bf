"""What a Skill becomes: every object that the operator applies, but for the Secret.

The pod is that of deploy/components/service-pod; a test compares them.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from earshot_operator.core.networks import network_policy
from earshot_operator.core.platform import Platform
from earshot_operator.core.pods import GRPC_PORT, HTTP_PORT, pod_template
from earshot_operator.core.scaling import scaled_object
from earshot_operator.core.skill import API_VERSION, KIND, Skill
from earshot_topology.policies import SCHEDULING_LABEL

Object = dict[str, Any]
# API version, kind and name.
Place = tuple[str, str, str]
PART_OF = "app.kubernetes.io/part-of"
NAME = "app.kubernetes.io/name"
# On pods: which template they are of. Unlike Kubernetes' own it says the same before and after.
REVISION = "earshot.dev/revision"
SKILL = "earshot.dev/skill"


def labels(skill: Skill) -> dict[str, str]:
    """Return what every object of a skill is labelled with."""
    return {NAME: skill.name, PART_OF: "earshot", "app.kubernetes.io/component": "skill", SKILL: skill.id}


def selector(skill: Skill) -> dict[str, str]:
    """Return what its pods are found by."""
    return {NAME: skill.name, PART_OF: "earshot"}


def metadata(skill: Skill, name: str = "") -> Object:
    """Return an object's metadata: the Skill owns it, and takes it along when it goes."""
    return {
        "name": name or skill.name,
        "namespace": skill.namespace,
        "labels": labels(skill),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": skill.id,
                "uid": skill.uid,
                # Not blockOwnerDeletion: some clusters let only those say it who may also change finalizers of Skills.
                "controller": True,
            }
        ],
    }


def desired_template(skill: Skill, platform: Platform) -> Object:
    """Return the pod template with its revision."""
    template = pod_template(skill, platform, labels(skill), selector(skill))
    # Also of what an image is judged by and pods do not hold: what was found right, or wrong, is judged anew by another list.
    judged = [template["spec"], sorted(skill.locales)]
    digest = hashlib.sha256(json.dumps(judged, sort_keys=True).encode()).hexdigest()[:10]
    template["metadata"]["labels"][REVISION] = digest
    if skill.scheduler:
        # Who may reach the scheduler is said there, where the operator has no rights: pods that bear this.
        template["metadata"]["labels"][SCHEDULING_LABEL] = "true"
    return template


def deployment(skill: Skill, platform: Platform, template: Object, *, verified: bool, stopped: bool = False) -> Object:
    """Return the Deployment of a template. It says nothing of replicas where those are the autoscaler's.

    Args:
        skill: What runs.
        platform: Where.
        template: Of its pods.
        verified: Whether one of them has said that it is what the Skill wants. Until then Kubernetes counts none of them as
            available, however ready it is, and takes none of those before it away, whether or not an operator looks: for
            nearly as long as the deadline of progress, by which the API server bounds it. An operator that is away for longer
            finds a rollout that went on unasked, and judges it then.
        stopped: Whether none is to run.
    """
    made: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(skill),
        "spec": {
            "revisionHistoryLimit": 5,
            "progressDeadlineSeconds": platform.progress_deadline_s,
            "selector": {"matchLabels": selector(skill)},
            # One more, ready, before one less: an update that fails takes nothing away.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "template": template,
        },
    }
    if not verified:
        # The API server wants it to be less than the deadline.
        made["spec"]["minReadySeconds"] = platform.progress_deadline_s - 1
    if stopped or not platform.keda:
        made["spec"]["replicas"] = 0 if stopped else skill.scale.minimum
    return made


def autoscaler(skill: Skill, platform: Platform) -> Object:
    """Return the ScaledObject; applied after what it scales."""
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": metadata(skill),
        "spec": scaled_object(skill, platform),
    }


def place_of(content: Object) -> Place:
    """Return where an object is."""
    return content["apiVersion"], content["kind"], content["metadata"]["name"]


def deployment_place(skill_id: str) -> Place:
    """Return where a skill's Deployment is."""
    return "apps/v1", "Deployment", f"skill-{skill_id}"


def places(skill_id: str, *, keda: bool) -> tuple[Place, ...]:
    """Return where everything is that a Skill of this id may become, what starts pods anew first."""
    name = f"skill-{skill_id}"
    scaling: list[Place] = [("keda.sh/v1alpha1", "ScaledObject", name)] if keda else []
    return (
        *scaling,
        deployment_place(skill_id),
        ("v1", "Secret", f"bus-{name}"),
        ("v1", "ServiceAccount", name),
        ("v1", "Service", name),
        ("networking.k8s.io/v1", "NetworkPolicy", name),
        ("policy/v1", "PodDisruptionBudget", name),
    )


def account(skill: Skill, platform: Platform) -> Object:
    """Return the ServiceAccount: no rights, and what its pods' images are pulled by."""
    made: Object = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(skill),
        "automountServiceAccountToken": False,
    }
    # Not said of pods, which would be others with every change of it. Where there are none, some clusters have their own there.
    if platform.pull_secrets:
        made["imagePullSecrets"] = [{"name": name} for name in platform.pull_secrets]
    return made


def surroundings(skill: Skill, platform: Platform) -> tuple[Object, ...]:
    """Return what its pods need around them, in the order in which it is applied."""
    return (
        account(skill, platform),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(skill),
            "spec": {
                "clusterIP": "None",
                "selector": selector(skill),
                "ports": [
                    {"name": "grpc", "port": GRPC_PORT, "targetPort": "grpc", "appProtocol": "kubernetes.io/h2c"},
                    {"name": "http", "port": HTTP_PORT, "targetPort": "http"},
                ],
            },
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata(skill),
            "spec": network_policy(skill),
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(skill),
            "spec": {
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": selector(skill)},
            },
        },
    )
