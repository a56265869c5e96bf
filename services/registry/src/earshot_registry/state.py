"""Which skills are live: the pure core of the registry, fed with listings of two buckets.

A skill version is live while its description is known and at least one of its replicas holds a lease. The server ends
leases (the endpoints bucket has a time to live); this module decides when to believe that one is gone:

- a deletion marker ends it at once: the replica drained;
- absence ends it only after a whole lease without news of that key. A listing may come from a follower that lags, and
  after an outage of the bus every lease has run out on the server although the replicas are alive.

Time while nobody could look (`blind`) does not count: the first listing after it starts all known leases anew.

The revision is a function of what every reader sees, so that readers which see the same have the same number:
`1000 * (last sequence of the descriptions bucket) + (descriptions without a live replica)`. Registering and draining
write to the descriptions bucket, which raises the first term; a crash raises the second. It never falls: where the
function would (a bucket made anew counts from 1; a replica that was thought dead is back and about to write its
description again), the previous number plus one stands in until the function has caught up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

D = TypeVar("D")
E = TypeVar("E")

_REVISION_STEP = 1000


class SkillKey(NamedTuple):
    """One version of one skill; orders by skill, then version."""

    skill_id: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescriptionEntry(Generic[D]):
    """A description as it was listed.

    `value` is None for a deletion marker; `digest` changes when the description does.
    """

    skill: SkillKey
    sequence: int
    digest: str = ""
    value: D | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEntry(Generic[E]):
    """A replica's lease as it was listed; `value` is None for a deletion marker."""

    skill: SkillKey
    instance_id: str
    sequence: int
    value: E | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSkill(Generic[D, E]):
    """A live skill version with its replicas, ordered by instance."""

    skill: SkillKey
    digest: str
    description: D
    endpoints: tuple[E, ...]


@dataclass(slots=True)
class _Lease(Generic[E]):
    sequence: int
    value: E
    renewed_at: float


@dataclass(slots=True, kw_only=True)
class RegistryState(Generic[D, E]):
    """Everything that is known of the two buckets.

    Args:
        lease_s: Length of a replica's lease, in seconds.
    """

    lease_s: float
    revision: int = 0
    live: tuple[LiveSkill[D, E], ...] = ()
    _descriptions: dict[SkillKey, DescriptionEntry[D]] = field(default_factory=dict)
    _leases: dict[tuple[SkillKey, str], _Lease[E]] = field(default_factory=dict)
    _blind: bool = False

    def blind(self) -> None:
        """Note that the buckets can't be listed at the moment."""
        self._blind = True

    def listed(
        self,
        descriptions: Iterable[DescriptionEntry[D]],
        endpoints: Iterable[EndpointEntry[E]],
        *,
        last_sequence: int,
        now: float,
    ) -> bool:
        """Take whole listings of both buckets, deletion markers included.

        Args:
            descriptions: Last entry of every key of the descriptions bucket.
            endpoints: Last entry of every key of the endpoints bucket.
            last_sequence: Of the descriptions bucket.
            now: Monotonic time in seconds.

        Returns:
            Whether `live` or `revision` has changed.
        """
        if self._blind:
            self._blind = False
            for lease in self._leases.values():
                lease.renewed_at = now
        self._descriptions = {entry.skill: entry for entry in descriptions if entry.value is not None}
        self._take_endpoints(endpoints, now)
        return self._settle(last_sequence)

    def knows(self, skill: SkillKey, instance_id: str) -> bool:
        """Whether this replica's lease is known, so that news of its renewal changes nothing."""
        return (skill, instance_id) in self._leases

    def _take_endpoints(self, entries: Iterable[EndpointEntry[E]], now: float) -> None:
        present: set[tuple[SkillKey, str]] = set()
        for entry in entries:
            key = (entry.skill, entry.instance_id)
            if entry.value is None:
                self._leases.pop(key, None)
                continue
            present.add(key)
            lease = self._leases.get(key)
            if lease is None or lease.sequence != entry.sequence:
                self._leases[key] = _Lease(sequence=entry.sequence, value=entry.value, renewed_at=now)
        for key, lease in list(self._leases.items()):
            if key not in present and now - lease.renewed_at >= self.lease_s:
                del self._leases[key]

    def _settle(self, last_sequence: int) -> bool:
        endpoints: dict[SkillKey, list[E]] = {}
        for skill, instance_id in sorted(self._leases):
            endpoints.setdefault(skill, []).append(self._leases[skill, instance_id].value)
        live = tuple(
            LiveSkill(
                skill=skill,
                digest=entry.digest,
                description=entry.value,
                endpoints=tuple(endpoints[skill]),
            )
            for skill, entry in sorted(self._descriptions.items(), key=lambda item: item[0])
            if entry.value is not None and skill in endpoints
        )
        silent = min(len(self._descriptions) - len(live), _REVISION_STEP - 1)
        revision = max(last_sequence * _REVISION_STEP + silent, self.revision)
        if revision == self.revision and _said(live) != _said(self.live):
            revision += 1
        changed = live != self.live or revision != self.revision
        self.live, self.revision = live, revision
        return changed


def _said(live: Iterable[LiveSkill[D, E]]) -> list[tuple[SkillKey, str]]:
    return [(skill.skill, skill.digest) for skill in live]
