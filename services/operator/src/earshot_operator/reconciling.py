"""Makes what there is what a Skill says. Level-triggered: each pass looks at everything and remembers nothing.

    read       the Skill, its Deployment, its pods, its Secret, its leases
    check      nothing of the names that it needs is somebody else's
    judge      pods of the wanted template say what they are (Describe); the template that is to run is chosen
    remember   a refusal goes into the status before anything is put back, so that it is found again
    apply      Secret, ServiceAccount, Service, NetworkPolicy, PodDisruptionBudget, Deployment, ScaledObject
    tell       events of what has changed, then the status

Whoever is killed between two of these is followed by one that does the same again, which changes nothing where it was done. An
event's name is made from what it tells and what that follows, so that it is not told twice either.

A Skill that goes takes along, of what is its own: first what would start pods anew, then the pods, then what they had registered, then the
credential. What is left belongs to the Skill, and the cluster collects it when the finalizer is gone.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from earshot_chassis import telemetry
from earshot_chassis.errors import EarshotError, RetryableError
from earshot_operator.core import objects, status, verdicts
from earshot_operator.core.observed import Pod, read_pods, read_rollout
from earshot_operator.core.platform import Platform
from earshot_operator.core.skill import API_VERSION, KIND, Skill, parse
from earshot_operator.core.verdicts import Choice, Description, Refusal
from earshot_operator.credentials import Issuer
from earshot_operator.errors import (
    ForbiddenError,
    InvalidSkillError,
    NameTakenError,
    NotDescribedError,
    RejectedError,
    SigningKeyError,
)
from earshot_operator.kube import MANAGER, Kube
from earshot_operator.owning import find_taken
from earshot_operator.registration import Registrations

Object = dict[str, Any]
_log = telemetry.logger("operator")
_REASONS = {
    InvalidSkillError: "InvalidSpec",
    NameTakenError: "NameTaken",
    SigningKeyError: "SigningKeyMissing",
    ForbiddenError: "Forbidden",
    RejectedError: "Rejected",
}
# Pods of one template say the same: a few are asked, in case one does not answer.
_ASKED = 3
_STARTS_PODS = {"ScaledObject", "Deployment"}
_LOOK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a reconciler works with.

    Attributes:
        kube: The API server.
        registrations: The registry.
        issuer: Makes credentials.
        describe: Asks a gRPC target what it is.
        platform: What skills are told.
        grpc_port: Where skills listen.
    """

    kube: Kube
    registrations: Registrations
    issuer: Issuer
    describe: Callable[[str], Awaitable[Description]]
    platform: Platform
    grpc_port: int


class Reconciler:
    """Looks after the Skills of a namespace."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._kube = tools.kube

    async def reconcile(self, name: str) -> bool:
        """Do one pass over a Skill.

        Returns:
            Whether there is nothing to wait for.

        Raises:
            RetryableError: The API server or the bus is away: do it again.
        """
        body = await self._kube.get(API_VERSION, KIND, name)
        if body is None or body["metadata"].get("deletionTimestamp"):
            return True
        before = body.get("status") or {}
        observed = await self._pass(body, before)
        after = status.status_of(observed, body["metadata"]["generation"], before, _now())
        for happening in status.happenings(before, after):
            await self._tell(body, happening)
        if after != before:
            # A merge leaves alone what is not named.
            gone = dict.fromkeys(before.keys() - after.keys())
            await self._kube.patch_status(API_VERSION, KIND, name, after | gone)
        return status.settled(after)

    async def remove(self, name: str, uid: str, patience_s: float) -> None:
        """Take along what a Skill that goes has made outside of itself; what bears its names and is not its own stays.

        Args:
            name: The Skill's.
            uid: The Skill's.
            patience_s: How long its pods are waited for.

        Raises:
            RetryableError: It has not all gone yet: do it again.
        """
        labels = {objects.SKILL: name}
        places = objects.places(name, keda=self._tools.platform.keda)
        taken = await find_taken(self._kube, places, uid)
        for place in places:
            if place[1] in _STARTS_PODS and place not in taken:
                await self._kube.delete(*place)
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        while await self._kube.pods(labels):
            if loop.time() > until:
                raise RetryableError(f"pods of skill {name} are still there", code="pods_remain")
            await asyncio.sleep(_LOOK_S)
        if not taken:
            # Otherwise somebody else may run the skill, and be who has registered.
            await self._tools.registrations.withdraw(name)
        for place in places:
            if place[1] == "Secret" and place not in taken:
                await self._kube.delete(*place)
        _log.info("skill_removed", skill=name, left=[f"{kind}/{each}" for _, kind, each in taken])

    async def _pass(self, body: Object, before: Mapping[str, Any]) -> status.Observed:
        name = f"skill-{body['metadata']['name']}"
        deployment = await self._kube.get("apps/v1", "Deployment", name)
        pods = read_pods(await self._kube.pods({objects.SKILL: body["metadata"]["name"]}))
        registered = await self._tools.registrations.leases(body["metadata"]["name"])
        choice, expires, problem = None, str(before.get("credentialExpires", "")), None
        try:
            skill = parse(body)
            choice, expires = await self._bring_about(skill, deployment, pods, before)
            deployment = await self._kube.get("apps/v1", "Deployment", name)
        except tuple(_REASONS) as error:
            problem = (_REASONS[type(error)], str(error))
            _log.warning("skill_blocked", skill=body["metadata"]["name"], code=error.code)
        return status.Observed(
            pods=pods,
            rollout=read_rollout(deployment),
            choice=choice,
            registered={pod.name: registered[pod.name] for pod in pods if pod.name in registered},
            problem=problem,
            expires=expires,
        )

    async def _bring_about(
        self, skill: Skill, deployment: Object | None, pods: tuple[Pod, ...], before: Mapping[str, Any]
    ) -> tuple[Choice, str]:
        platform = self._tools.platform
        await self._check_names(skill)
        secret = await self._kube.get("v1", "Secret", skill.credential)
        credential = self._tools.issuer.credential(skill, secret)
        if credential.secret is not None:
            await self._kube.apply(credential.secret)
        wanted = objects.desired_template(skill, platform, credential.id)
        choice = await self._choose(skill, wanted, deployment, pods, before)
        for content in objects.surroundings(skill):
            await self._kube.apply(content)
        access = objects.scheduler_access(skill)
        if skill.scheduler:
            await self._kube.apply(access)
        else:
            await self._kube.delete(access["apiVersion"], access["kind"], access["metadata"]["name"])
        made = objects.deployment(skill, platform, choice.template)
        if choice.verified is not None:
            made["metadata"]["annotations"] = {verdicts.VERIFIED: verdicts.write_verified(choice.verified)}
        await self._kube.apply(made)
        if platform.keda:
            await self._kube.apply(objects.autoscaler(skill, platform))
        return choice, credential.expires

    async def _check_names(self, skill: Skill) -> None:
        places = objects.places(skill.id, keda=self._tools.platform.keda)
        if taken := await find_taken(self._kube, places, skill.uid):
            listed = ", ".join(f"{kind} {name}" for _, kind, name in taken)
            raise NameTakenError(f"not this Skill's, and left alone: {listed}")

    async def _choose(
        self,
        skill: Skill,
        wanted: Object,
        deployment: Object | None,
        pods: tuple[Pod, ...],
        before: Mapping[str, Any],
    ) -> Choice:
        revision = verdicts.revision_of(wanted)
        verified = verdicts.read_verified(deployment)
        held = status.read_refusal(before)
        known = (verified is not None and verdicts.revision_of(verified) == revision) or (
            held is not None and held.revision == revision
        )
        verdict = None if known else await self._ask(skill, revision, pods)
        choice = verdicts.choose(wanted, verified, verdict, held)
        if choice.refusal is not None and choice.refusal != held:
            refused = {name: getattr(choice.refusal, name) for name in ("image", "revision", "reason", "message")}
            await self._kube.patch_status(API_VERSION, KIND, skill.id, {"refused": refused})
        return choice

    async def _ask(self, skill: Skill, revision: str, pods: tuple[Pod, ...]) -> Description | Refusal | None:
        asked = [pod for pod in pods if pod.revision == revision and pod.address][:_ASKED]
        for pod in asked:
            try:
                said = await self._tools.describe(f"{pod.address}:{self._tools.grpc_port}")
            except NotDescribedError as error:
                _log.info("skill_not_described", skill=skill.id, pod=pod.name, reason=str(error))
                continue
            return verdicts.judge(skill, revision, said) or said
        return None

    async def _tell(self, body: Object, happening: status.Happening) -> None:
        metadata = body["metadata"]
        told = (metadata["uid"], happening.reason, happening.message, happening.after)
        moment = _now()
        content = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name']}.{hashlib.sha256(repr(told).encode()).hexdigest()[:16]}",
                "namespace": metadata["namespace"],
            },
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "type": "Warning" if happening.warning else "Normal",
            "reason": happening.reason,
            "message": happening.message or happening.reason,
            "source": {"component": MANAGER},
            "reportingComponent": MANAGER,
            "reportingInstance": MANAGER,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
        try:
            await self._kube.create(content)
        except EarshotError as error:
            # Events are for people; what they tell stands in the status, too.
            _log.warning("event_lost", skill=metadata["name"], reason=happening.reason, code=error.code)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
