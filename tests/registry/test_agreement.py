"""Readers that list at different moments agree in the end, whatever the skills did in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from earshot_registry.state import DescriptionEntry, EndpointEntry, RegistryState, SkillKey

LEASE_S = 6.0
SKILLS = [SkillKey("clock", "1"), SkillKey("clock", "2"), SkillKey("music", "1")]


@dataclass(slots=True)
class Buckets:
    """Both buckets and the replicas that write to them, as the registration does, in simulated time."""

    now: float = 0.0
    descriptions: dict[SkillKey, tuple[int, str]] = field(default_factory=dict)
    last_sequence: int = 0
    leases: dict[tuple[SkillKey, str], tuple[int, float]] = field(default_factory=dict)
    markers: dict[tuple[SkillKey, str], tuple[int, float]] = field(default_factory=dict)
    writes: int = 0
    running: set[tuple[SkillKey, str]] = field(default_factory=set)

    def describe(self, skill: SkillKey, digest: str) -> None:
        """Write a description; an empty digest withdraws it."""
        self.last_sequence += 1
        self.descriptions[skill] = (self.last_sequence, digest)

    def lease(self, replica: tuple[SkillKey, str]) -> None:
        """Write or renew a lease."""
        self.writes += 1
        self.markers.pop(replica, None)
        self.leases[replica] = (self.writes, self.now)

    def others(self, replica: tuple[SkillKey, str]) -> bool:
        """Whether another replica of the version holds a lease."""
        return any(each[0] == replica[0] and each != replica for each in self.leases)

    def start(self, replica: tuple[SkillKey, str]) -> None:
        """Start a replica."""
        self.running.add(replica)
        self.lease(replica)
        if not self.descriptions.get(replica[0], (0, ""))[1] or not self.others(replica):
            self.describe(replica[0], "digest")

    def drain(self, replica: tuple[SkillKey, str]) -> None:
        """Stop a replica with a word."""
        if replica not in self.running:
            return
        self.running.discard(replica)
        if not self.others(replica):
            self.describe(replica[0], "")
        self.leases.pop(replica, None)
        self.writes += 1
        self.markers[replica] = (self.writes, self.now)

    def pass_time(self, seconds: float) -> None:
        """Let time pass: running replicas renew, leases and markers run out."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + LEASE_S / 3, end)
            for replica in self.running:
                self.lease(replica)
            for kept in (self.leases, self.markers):
                for replica in [each for each, (_, at) in kept.items() if self.now - at >= LEASE_S]:
                    del kept[replica]

    def show(self, reader: RegistryState[str, str]) -> None:
        """Let a reader list both buckets."""
        descriptions = [
            DescriptionEntry(skill=skill, sequence=sequence, digest=digest, value=digest or None)
            for skill, (sequence, digest) in self.descriptions.items()
        ]
        endpoints = [
            EndpointEntry(skill=skill, instance_id=instance, sequence=sequence, value=instance if kept else None)
            for source, kept in ((self.leases, True), (self.markers, False))
            for (skill, instance), (sequence, _) in source.items()
        ]
        before = reader.revision
        reader.listed(descriptions, endpoints, last_sequence=self.last_sequence, now=self.now)
        assert reader.revision >= before


REPLICAS = st.tuples(st.sampled_from(SKILLS), st.sampled_from(["a", "b"]))
STEPS = st.one_of(
    st.tuples(st.just("start"), REPLICAS),
    st.tuples(st.just("drain"), REPLICAS),
    st.tuples(st.just("crash"), REPLICAS),
    st.tuples(st.just("pass"), st.floats(0.1, 8)),
    st.tuples(st.just("show"), st.integers(0, 2)),
    st.tuples(st.just("blind"), st.integers(0, 2)),
)


def take(step: str, subject: Any, buckets: Buckets, readers: list[RegistryState[str, str]]) -> None:
    """Take one step."""
    match step:
        case "start":
            buckets.start(subject)
        case "drain":
            buckets.drain(subject)
        case "crash":
            buckets.running.discard(subject)
        case "pass":
            buckets.pass_time(subject)
        case "show":
            buckets.show(readers[subject])
        case "blind":
            readers[subject].blind()


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=40))
def test_readers_agree_when_things_are_quiet(steps: list[tuple[str, Any]]) -> None:
    """Revisions never fall; after the last lease has run out, all readers have the same skills and revision."""
    buckets = Buckets()
    readers: list[RegistryState[str, str]] = [RegistryState(lease_s=LEASE_S) for _ in range(3)]
    for step, subject in steps:
        take(step, subject, buckets, readers)
    for _ in range(6):
        buckets.pass_time(LEASE_S / 2)
        for reader in readers:
            buckets.show(reader)
    late: RegistryState[str, str] = RegistryState(lease_s=LEASE_S)
    buckets.show(late)
    running = {replica[0] for replica in buckets.running}
    assert {each.skill for each in late.live} == running
    for reader in readers:
        assert (reader.live, reader.revision) == (late.live, late.revision)
