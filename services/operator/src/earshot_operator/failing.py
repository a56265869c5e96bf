"""What keeps the operator from its work on a Skill: kept while it does what it can without it, then told, then tried again.

    code                   reason in a condition
    ---------------------  ---------------------
    of a PermanentError    somebody has to change something: the Skill, a Secret, a Role
    of a RetryableError    it may pass by itself; told once it lasts

Everything that can be raised has a reason: what nobody has foreseen is `InternalError`, and the operator's log says more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from earshot_chassis import telemetry
from earshot_chassis.errors import EarshotError, RetryableError
from earshot_operator.errors import UnforeseenError

_log = telemetry.logger("operator")
FAILED_PASSES = telemetry.counter(
    "earshot.operator.failed_passes", "Passes over a Skill that are tried again, by code."
)
_UNTOLD = telemetry.counter(
    "earshot.operator.untold", "Statuses of a Skill that could not be read or written, by code."
)
_REASONS = {
    "bus_unavailable": "BusUnavailable",
    "changed_meanwhile": "ChangedMeanwhile",
    "cluster_unavailable": "ClusterUnavailable",
    "forbidden": "Forbidden",
    "invalid_skill": "InvalidSpec",
    "kind_missing": "KindMissing",
    "name_taken": "NameTaken",
    "pods_remain": "PodsRemain",
    "registry_unavailable": "RegistryUnavailable",
    "rejected": "Rejected",
    "secret_missing": "SecretMissing",
    "secret_refused": "SecretRefused",
    "signing_key_missing": "SigningKeyMissing",
}
# A blink of the API server or of the bus is nobody's business.
_LASTS_S = 1.0


def reason_of(error: EarshotError) -> str:
    """Return the reason by which a condition tells an error."""
    return _REASONS.get(error.code, "InternalError")


def lasts(failing_s: float) -> bool:
    """Tell whether something has failed for so long that it is to be told."""
    return failing_s >= _LASTS_S


@contextmanager
def telling(skill: str) -> Iterator[None]:
    """Read or write how a Skill is; where that fails, nobody knows but whoever reads this log or counts.

    Raises:
        EarshotError: It has failed.
    """
    try:
        yield
    except EarshotError as error:
        _log.error("status_untold", skill=skill, code=error.code, reason=str(error))
        _UNTOLD.add(1, {"code": error.code})
        raise


class Failures:
    """What has failed in one pass, whose parts are done `with` this.

    Attributes:
        first: What is told: what somebody has to change comes before what may pass by itself.
        again: What the pass is tried again for.
    """

    def __init__(self) -> None:
        self.first: EarshotError | None = None
        self.again: RetryableError | None = None

    def __enter__(self) -> Self:
        """Begin a part of the pass: if it fails, the pass goes on."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Keep what it has failed with."""
        if isinstance(error, EarshotError):
            self._keep(error)
        elif isinstance(error, Exception):
            # Whatever it is, the Skill has to say so.
            _log.error("pass_broke", exc_info=error)
            self._keep(UnforeseenError(f"{type(error).__name__}: the operator's log says more"))
        return isinstance(error, Exception)

    def _keep(self, error: EarshotError) -> None:
        if isinstance(error, RetryableError):
            self.again = self.again or error
        if self.first is None or (isinstance(self.first, RetryableError) and not isinstance(error, RetryableError)):
            self.first = error
