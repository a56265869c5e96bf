"""Makes what there is what a Skill says. Level-triggered: each pass looks at everything and remembers nothing.

    read       the Skill, what there is of it, its pods, its leases
    check      nothing of the names that it needs is somebody else's, manifests run no such skill; Secrets that it names are meant for it
    judge      pods of the wanted template say what they are (Describe); the template that is to run is chosen
    remember   a refusal goes into the status before anything is put back, so that it is found again
    apply      Secret, ServiceAccount, Service, NetworkPolicy, PodDisruptionBudget, Deployment, ScaledObject
    tell       events of what has changed, then the status

What fails does not keep the rest from being looked at; it is told, once it lasts, and tried again (`failing`).

Whoever is killed between two of these is followed by one that does the same again, which changes nothing where it was done.

An image that is refused is put away: what was found right before runs on, and where there was nothing before it nothing runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from earshot_chassis import telemetry
from earshot_chassis.addresses import joined
from earshot_chassis.errors import EarshotError, RetryableError
from earshot_operator.core import objects, status, verdicts
from earshot_operator.core.observed import Pod, read_pods, read_rollout
from earshot_operator.core.platform import Platform
from earshot_operator.core.scaling import unmet
from earshot_operator.core.skill import API_VERSION, KIND, Skill, check, read
from earshot_operator.core.verdicts import Choice, Description, Refusal
from earshot_operator.credentials import Issuer
from earshot_operator.errors import NotDescribedError
from earshot_operator.failing import Failures, lasts, reason_of, telling
from earshot_operator.kube import Kube
from earshot_operator.owning import Found, find
from earshot_operator.registration import Registrations
from earshot_operator.secrets import check_secrets
from earshot_operator.telling import now, tell

Object = dict[str, Any]
_log = telemetry.logger("operator")
# Pods of one template say the same: a few are asked, in case one does not answer.
_ASKED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a reconciler works with.

    Attributes:
        kube: The API server.
        services: The same, where services are.
        registrations: The registry.
        issuer: Makes credentials.
        describe: Asks a gRPC target what it is.
        platform: What skills are told.
        grpc_port: Where skills listen.
    """

    kube: Kube
    services: Kube
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

    async def reconcile(self, name: str, failing_since: float) -> bool:
        """Do one pass over a Skill.

        Args:
            name: The Skill's.
            failing_since: When the first of the passes began that have failed one after the other, by the loop's clock; now, if
                the last one has not.

        Returns:
            Whether there is nothing to wait for.

        Raises:
            EarshotError: Something is away, or lacks something: do it again. The Skill says so once it has lasted; the log
                does at once, and is alone where the Skill can't be read or written.
        """
        with telling(name):
            body = await self._kube.get(API_VERSION, KIND, name)
        if body is None or body["metadata"].get("deletionTimestamp"):
            return True
        before = body.get("status") or {}
        observed, waiting = await self._pass(body, before)
        if waiting is not None and not lasts(asyncio.get_running_loop().time() - failing_since):
            raise waiting
        with telling(name):
            after = await self._say(body, before, observed)
        if waiting is not None:
            raise waiting
        return status.settled(after)

    async def _say(self, body: Object, before: Mapping[str, Any], observed: status.Observed) -> Object:
        """Tell what has changed, and write the status if it has; return it."""
        after = status.status_of(observed, body["metadata"]["generation"], before, now())
        for happening in status.happenings(before, after):
            await tell(self._kube, body, happening)
        if after != before:
            # A merge leaves alone what is not named.
            gone = dict.fromkeys(before.keys() - after.keys())
            await self._kube.patch_status(API_VERSION, KIND, body["metadata"]["name"], after | gone)
        return after

    async def _pass(self, body: Object, before: Mapping[str, Any]) -> tuple[status.Observed, RetryableError | None]:
        id_, uid = body["metadata"]["name"], body["metadata"]["uid"]
        failures, registry = Failures(), Failures()
        # Each by itself: what one can't tell, another may.
        present: list[Object] | None = None
        with failures:
            present = await self._kube.pods({objects.SKILL: id_})
        registered: Mapping[str, str] | None = None
        with registry:
            registered = await self._tools.registrations.leases(id_)
        found: Found | None = None
        with failures:
            places = objects.places(id_, keda=self._tools.platform.keda)
            found = await find(self._kube, self._tools.services, places, uid)
        pods = None if present is None else read_pods(present)
        choice, expires, lacks, deployment = None, str(before.get("credentialExpires", "")), None, None
        if found is not None and pods is not None:
            deployment = found.at(objects.deployment_place(id_))
            with failures:
                skill = read(body)
                lacks = unmet(skill, self._tools.platform)
                choice, expires = await self._decide(skill, found, pods, before)
                await self._bring_about(skill, found, choice)
                if choice.is_stopped and registered and not present:
                    # Of pods that ended without a farewell.
                    with registry:
                        await self._tools.registrations.withdraw(id_)
                deployment = await self._kube.get(*objects.deployment_place(id_))
        observed = status.Observed(
            pods=pods,
            rollout=read_rollout(deployment),
            choice=choice,
            registered=_of(pods, registered),
            problem=_told(failures.first, before, "Degraded"),
            away=_told(registry.first, before, "Registered"),
            unmet=lacks,
            expires=expires,
        )
        if (first := failures.first or registry.first) is not None:
            _log.warning("skill_blocked", skill=id_, code=first.code, reason=str(first))
        return observed, failures.again or registry.again

    async def _decide(
        self, skill: Skill, found: Found, pods: tuple[Pod, ...], before: Mapping[str, Any]
    ) -> tuple[Choice, str]:
        found.check()
        # Before anything that may be wrong with the spec: what serves needs it on.
        there = found.at(("v1", "Secret", skill.credential)) is not None
        expires = await self._credential(skill, found) if there else ""
        check(skill)
        await check_secrets(self._kube, skill)
        expires = expires or await self._credential(skill, found)
        wanted = objects.desired_template(skill, self._tools.platform)
        choice = await self._choose(skill, wanted, found.at(objects.deployment_place(skill.id)), pods, before)
        return choice, expires

    async def _bring_about(self, skill: Skill, found: Found, choice: Choice) -> None:
        platform = self._tools.platform
        for content in objects.surroundings(skill, platform):
            await self._apply(content, found)
        autoscaler = objects.autoscaler(skill, platform)
        if platform.keda and choice.is_stopped:
            # Before the Deployment: it would give it replicas again.
            await self._keep(autoscaler, found, wanted=False)
        made = objects.deployment(
            skill, platform, choice.template, verified=choice.is_verified, stopped=choice.is_stopped
        )
        if choice.verified is not None:
            made["metadata"]["annotations"] = {verdicts.VERIFIED: verdicts.write_verified(choice.verified)}
        await self._apply(made, found)
        if platform.keda and not choice.is_stopped:
            await self._apply(autoscaler, found)

    async def _credential(self, skill: Skill, found: Found) -> str:
        """Have a credential that is good; return when it expires."""
        credential = self._tools.issuer.credential(skill, found.at(("v1", "Secret", skill.credential)))
        if credential.secret is not None:
            await self._apply(credential.secret, found)
        return credential.expires

    async def _apply(self, content: Object, found: Found) -> None:
        await self._kube.apply(content, found.at(objects.place_of(content)))

    async def _keep(self, content: Object, found: Found, *, wanted: bool) -> None:
        """Have an object where it is wanted, and none where it is not."""
        if wanted:
            await self._apply(content, found)
        elif (present := found.at(objects.place_of(content))) is not None:
            await self._kube.delete(present)

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
                said = await self._tools.describe(joined(pod.address, self._tools.grpc_port))
            except NotDescribedError as error:
                _log.info("skill_not_described", skill=skill.id, pod=pod.name, reason=str(error))
                continue
            return verdicts.judge(skill, revision, said) or said
        return None


def _of(pods: tuple[Pod, ...] | None, registered: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return the leases of pods that are there; all, if nobody knows which are."""
    if pods is None or registered is None:
        return registered
    return {pod.name: registered[pod.name] for pod in pods if pod.name in registered}


def _told(error: EarshotError | None, before: Mapping[str, Any], type_: str) -> tuple[str, str] | None:
    if error is None:
        return None
    problem = reason_of(error), str(error)
    return status.same_words(before, type_, *problem) if isinstance(error, RetryableError) else problem
