"""The operator's life with kopf: one loop for each Skill, woken by what happens, and what is done before a Skill goes.

kopf watches, keeps the finalizer on every Skill, starts the loop of each one that it sees and ends it before the Skill goes.
It keeps no progress of ours: the loop looks at everything each time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import Any

import kopf

from earshot_chassis import telemetry
from earshot_chassis.errors import EarshotError
from earshot_operator.core.objects import SKILL
from earshot_operator.core.skill import GROUP, PLURAL, VERSION
from earshot_operator.reconciling import Reconciler
from earshot_operator.removing import Remover

_log = telemetry.logger("operator")
FINALIZER = f"{GROUP}/skill"
_AGAIN_S = 0.25
_AGAIN_AT_MOST_S = 15.0
_LOOK_S = 0.5


class Handlers:
    """Registers with kopf.

    Args:
        reconciler: Does the work.
        remover: Takes along what a Skill has made.
        poll_s: How often a Skill is looked at while something is under way.
        resync_s: How often when nothing is.
    """

    def __init__(self, reconciler: Reconciler, remover: Remover, *, poll_s: float, resync_s: float) -> None:
        self._reconciler = reconciler
        self._remover = remover
        self._poll_s = poll_s
        self._resync_s = resync_s
        self._wakes: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        # A pass and the removal of one Skill never overlap.
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def registry(self) -> kopf.OperatorRegistry:
        """Return kopf's registry of them."""
        registry = kopf.OperatorRegistry()
        mine = (GROUP, VERSION, PLURAL)
        # kopf's type of a handler names all that it may be given.
        removing: Any = self._remove
        kopf.on.event(*mine, registry=registry)(self._skill_changed)
        kopf.on.event("apps", "v1", "deployments", labels={SKILL: kopf.PRESENT}, registry=registry)(
            self._deployment_changed
        )
        # The loop ends by itself; kopf looks so often whether it has.
        kopf.daemon(*mine, registry=registry, cancellation_polling=_LOOK_S)(self._keep)
        kopf.on.delete(*mine, registry=registry)(removing)
        kopf.on.login(registry=registry)(_login)
        return registry

    async def _skill_changed(self, name: str, **_: Any) -> None:
        self._wakes[name].set()

    async def _deployment_changed(self, labels: Any, **_: Any) -> None:
        self._wakes[labels[SKILL]].set()

    async def _keep(self, name: str, stopped: Any, **_: Any) -> None:
        """Look after one Skill until it goes: then it is changed, which wakes this."""
        wake, failures = self._wakes[name], 0
        while not stopped:
            wake.clear()
            try:
                async with self._locks[name]:
                    settled = await self._reconciler.reconcile(name)
            except EarshotError as error:
                _log.warning("reconcile_failed", skill=name, code=error.code, reason=str(error))
                failures += 1
                delay_s = min(_AGAIN_S * 2**failures, _AGAIN_AT_MOST_S)
            else:
                failures = 0
                delay_s = self._resync_s if settled else self._poll_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await wake.wait()

    async def _remove(self, name: str, uid: str, **_: Any) -> None:
        """Take along what the Skill has made; kopf removes the finalizer when this has ended."""
        async with self._locks[name]:
            try:
                await self._remover.remove(name, uid)
            except EarshotError as error:
                raise kopf.TemporaryError(f"{error.code}: {error}", delay=_AGAIN_S) from error
        self._wakes.pop(name, None)


def operator_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: our finalizer, our prefix, no events of its own."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.finalizer = FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    settings.watching.server_timeout = 240
    settings.watching.client_timeout = 300
    settings.networking.request_timeout = 15
    return settings


def _login(**arguments: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)
