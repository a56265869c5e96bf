"""The operator's life with kopf: one loop for each Skill, woken by what happens, and what is done before a Skill goes.

kopf watches, keeps the finalizer on every Skill, starts the loop of each one that it sees and ends it before the Skill goes.
It keeps no progress of ours: the loop looks at everything each time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import kopf

from earshot_chassis import telemetry
from earshot_chassis.errors import EarshotError, code_of
from earshot_operator.core.objects import SKILL
from earshot_operator.core.skill import GROUP, PLURAL, VERSION
from earshot_operator.errors import PodsRemainError
from earshot_operator.failing import FAILED_PASSES
from earshot_operator.reconciling import Reconciler
from earshot_operator.removing import Remover

_log = telemetry.logger("operator")
FINALIZER = f"{GROUP}/skill"
_AGAIN_S = 0.25
_DOUBLED_AT_MOST = 16
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a Skill is looked at.

    Attributes:
        poll_s: While something is under way.
        resync_s: When nothing is.
        retry_s: When it fails, at the longest; twice as long after each failure until then.
    """

    poll_s: float
    resync_s: float
    retry_s: float

    def after(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        return min(_AGAIN_S * 2.0 ** min(failures, _DOUBLED_AT_MOST), self.retry_s)


class Handlers:
    """Registers with kopf.

    Args:
        reconciler: Does the work.
        remover: Takes along what a Skill has made.
        pace: How often a Skill is looked at.
    """

    def __init__(self, reconciler: Reconciler, remover: Remover, pace: Pace) -> None:
        self._reconciler = reconciler
        self._remover = remover
        self._pace = pace
        # What was seen of each Skill last, but for its status.
        self._seen: dict[str, tuple[str, int]] = {}
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

    async def look_again(self) -> None:
        """Wake whoever looks after a Skill: what they may wait for is there."""
        for wake in self._wakes.values():
            wake.set()

    async def _skill_changed(self, name: str, meta: Mapping[str, Any], **_: Any) -> None:
        """Wake who looks after it, unless the status alone has changed: that is mostly what he has written himself."""
        seen = meta["uid"], meta["generation"]
        if seen != self._seen.get(name) or meta.get("deletionTimestamp"):
            self._seen[name] = seen
            self._wakes[name].set()

    async def _deployment_changed(self, labels: Any, **_: Any) -> None:
        self._wakes[labels[SKILL]].set()

    async def _keep(self, name: str, stopped: Any, **_: Any) -> None:
        """Look after one Skill until it goes: then it is changed, which wakes this."""
        failing_since = 0.0
        wake, failures, loop = self._wakes[name], 0, asyncio.get_running_loop()
        while not stopped:
            wake.clear()
            failing_since = failing_since if failures else loop.time()
            try:
                async with self._locks[name]:
                    settled = await self._reconciler.reconcile(name, failing_since)
            except Exception as error:  # noqa: BLE001 - a loop that ended would leave its Skill alone
                unforeseen = None if isinstance(error, EarshotError) else error
                _log.warning(
                    "reconcile_failed", skill=name, code=code_of(error), reason=str(error), exc_info=unforeseen
                )
                FAILED_PASSES.add(1, {"code": code_of(error)})
                failures += 1
                delay_s = self._pace.after(failures)
            else:
                failures = 0
                delay_s = self._pace.resync_s if settled else self._pace.poll_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await wake.wait()

    async def _remove(self, name: str, uid: str, retry: int, **_: Any) -> None:
        """Take along what the Skill has made; kopf removes the finalizer when this has ended."""
        async with self._locks[name]:
            try:
                await self._remover.remove(name, uid, again=retry > 0)
            except EarshotError as error:
                # Pods are looked at meanwhile: nothing has failed.
                delay_s = _AGAIN_S if isinstance(error, PodsRemainError) else self._pace.after(retry)
                raise kopf.TemporaryError(f"{error.code}: {error}", delay=delay_s) from error
        self._wakes.pop(name, None)
        self._seen.pop(name, None)


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
