"""What goes with a Skill: what it has made outside of itself, in an order in which nothing comes back.

First what would start pods anew, then the pods, then what they had registered, then the credential. What is left belongs to the
Skill, and the cluster collects it when the finalizer is gone.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from earshot_chassis import telemetry
from earshot_chassis.errors import EarshotError
from earshot_operator.core import objects, status
from earshot_operator.core.skill import API_VERSION, KIND
from earshot_operator.errors import PodsRemainError
from earshot_operator.failing import Failures, reason_of, telling
from earshot_operator.kube import Kube
from earshot_operator.owning import find
from earshot_operator.registration import Registrations
from earshot_operator.telling import now, tell

_log = telemetry.logger("operator")
_STARTS_PODS = {"ScaledObject", "Deployment"}
_LOOK_S = 0.25


class Remover:
    """Takes along what Skills of a namespace have made.

    Args:
        kube: The API server.
        services: The same, where services are.
        registrations: The registry.
        keda: Whether KEDA is there.
        patience_s: How long pods may take to go before it is told.
    """

    def __init__(
        self, kube: Kube, services: Kube, registrations: Registrations, *, keda: bool, patience_s: float
    ) -> None:
        self._kube = kube
        self._services = services
        self._registrations = registrations
        self._keda = keda
        self._patience_s = patience_s

    async def remove(self, name: str, uid: str, *, again: bool) -> None:
        """Take along what a Skill that goes has made; what bears its names and is not its own stays.

        Args:
            name: The Skill's.
            uid: Of the object.
            again: Whether this has failed before: then the Skill says what keeps it.

        Raises:
            RetryableError: It has not all gone yet: do it again.
            ForbiddenError: The Role lacks a right.
        """
        failures = Failures()
        with failures:
            await self._remove(name, uid)
        error = failures.first
        if error is None:
            return
        if again or isinstance(error, PodsRemainError):
            with suppress(EarshotError), telling(name):
                await self._say(name, error)
        raise error

    async def _remove(self, name: str, uid: str) -> None:
        places = objects.places(name, keda=self._keda)
        found = await find(self._kube, self._services, places, uid)
        for place in places:
            if place[1] in _STARTS_PODS and (content := found.at(place)) is not None:
                await self._kube.delete(content)
        await self._wait_for_pods(name)
        if not found.taken:
            # Otherwise somebody else may run the skill, and be who has registered.
            await self._registrations.withdraw(name)
        for place in places:
            if place[1] == "Secret" and (content := found.at(place)) is not None:
                await self._kube.delete(content)
        _log.info("skill_removed", skill=name, left=found.taken)

    async def _wait_for_pods(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_s
        while pods := await self._kube.pods({objects.SKILL: name}):
            if loop.time() > until:
                names = sorted(pod["metadata"]["name"] for pod in pods)
                raise PodsRemainError(f"pods of skill {name} are still there: {', '.join(names)}")
            await asyncio.sleep(_LOOK_S)

    async def _say(self, name: str, error: EarshotError) -> None:
        body = await self._kube.get(API_VERSION, KIND, name)
        if body is None:
            return
        before = body.get("status") or {}
        problem = reason_of(error), str(error)
        if not isinstance(error, PodsRemainError):
            problem = status.same_words(before, "Deleting", *problem)
        after, happening = status.deleting(before, problem, body["metadata"]["generation"], now())
        if happening is not None:
            await tell(self._kube, body, happening)
        if after["conditions"] != before.get("conditions"):
            await self._kube.patch_status(API_VERSION, KIND, name, after)
