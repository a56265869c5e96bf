"""The registry's pure core: which skills are live, and under which revision."""

from __future__ import annotations

import pytest

from earshot_registry.state import DescriptionEntry, EndpointEntry, RegistryState, SkillKey

CLOCK = SkillKey("clock", "0.1.0")
MUSIC = SkillKey("music", "2.0.0")
LEASE_S = 6.0


def described(skill: SkillKey, sequence: int, digest: str = "a") -> DescriptionEntry[str]:
    """Return a description as it was listed."""
    return DescriptionEntry(skill=skill, sequence=sequence, digest=digest, value=f"{skill.skill_id} {digest}")


def withdrawn(skill: SkillKey, sequence: int) -> DescriptionEntry[str]:
    """Return the deletion marker of a description."""
    return DescriptionEntry(skill=skill, sequence=sequence)


def leased(skill: SkillKey, sequence: int, instance: str = "one") -> EndpointEntry[str]:
    """Return a lease as it was listed."""
    return EndpointEntry(skill=skill, instance_id=instance, sequence=sequence, value=f"{instance}:50051")


def drained(skill: SkillKey, sequence: int, instance: str = "one") -> EndpointEntry[str]:
    """Return the deletion marker of a lease."""
    return EndpointEntry(skill=skill, instance_id=instance, sequence=sequence)


def see(state, descriptions, endpoints, now: float) -> bool:
    """Show a state two listings; the bucket's last sequence is that of its newest entry."""
    last = max((entry.sequence for entry in descriptions), default=0)
    return state.listed(descriptions, endpoints, last_sequence=last, now=now)


@pytest.fixture
def state() -> RegistryState[str, str]:
    """A state that has seen nothing."""
    return RegistryState(lease_s=LEASE_S)


def live(state: RegistryState[str, str]) -> list[str]:
    """Return the ids of the live skills."""
    return [each.skill.skill_id for each in state.live]


def test_a_skill_needs_a_description_and_a_lease(state) -> None:
    """Neither a description nor a lease alone makes a skill live."""
    see(state, [described(CLOCK, 1)], [], 0)
    assert live(state) == []
    see(state, [], [leased(CLOCK, 1)], 0)
    assert live(state) == []
    assert see(state, [described(CLOCK, 1)], [leased(CLOCK, 1)], 0)
    assert live(state) == ["clock"]


def test_a_renewal_is_no_change(state) -> None:
    """A lease that is renewed changes neither the live set nor the revision."""
    see(state, [described(CLOCK, 1)], [leased(CLOCK, 1)], 0)
    before = state.revision
    assert not see(state, [described(CLOCK, 1)], [leased(CLOCK, 2)], 2)
    assert state.revision == before


def test_another_replica_changes_the_endpoints_and_not_the_revision(state) -> None:
    """A second replica of the same version is told, but nothing new can be said."""
    see(state, [described(CLOCK, 1)], [leased(CLOCK, 1)], 0)
    before = state.revision
    assert see(state, [described(CLOCK, 1)], [leased(CLOCK, 1), leased(CLOCK, 2, "two")], 1)
    assert state.live[0].endpoints == ("one:50051", "two:50051")
    assert state.revision == before


def test_two_versions_are_live_side_by_side(state) -> None:
    """Versions of one skill are separate entries, ordered by version."""
    newer = SkillKey("clock", "0.2.0")
    see(state, [described(newer, 2), described(CLOCK, 1)], [leased(newer, 2), leased(CLOCK, 1)], 0)
    assert [each.skill.version for each in state.live] == ["0.1.0", "0.2.0"]


def test_a_drained_replica_is_gone_at_once(state) -> None:
    """A deletion marker ends a lease without waiting."""
    see(state, [described(CLOCK, 1)], [leased(CLOCK, 1)], 0)
    assert see(state, [described(CLOCK, 1)], [drained(CLOCK, 2)], 0.1)
    assert live(state) == []


def test_an_absent_lease_is_believed_gone_after_a_whole_lease(state) -> None:
    """A listing that lacks a lease for a moment, from a follower that lags, changes nothing."""
    descriptions = [described(CLOCK, 1)]
    see(state, descriptions, [leased(CLOCK, 1)], 0)
    assert not see(state, descriptions, [], LEASE_S - 0.1)
    assert not see(state, descriptions, [leased(CLOCK, 2)], LEASE_S)
    assert not see(state, descriptions, [], LEASE_S + 1)
    assert see(state, descriptions, [], LEASE_S * 2)
    assert live(state) == []


def test_a_lease_that_the_server_still_lists_is_live(state) -> None:
    """The server's word on a lease counts, however long ago its last renewal was seen."""
    see(state, [described(CLOCK, 1)], [leased(CLOCK, 1)], 0)
    assert not see(state, [described(CLOCK, 1)], [leased(CLOCK, 1)], LEASE_S * 3)


def test_time_without_sight_does_not_count(state) -> None:
    """After an outage of the bus, leases that ran out meanwhile get a whole lease to be renewed."""
    descriptions = [described(CLOCK, 1)]
    see(state, descriptions, [leased(CLOCK, 1)], 0)
    state.blind()
    assert not see(state, descriptions, [], 100)
    assert not see(state, descriptions, [], 100 + LEASE_S - 0.1)
    assert see(state, descriptions, [], 100 + LEASE_S)


def test_revisions_rise_over_a_life() -> None:
    """Starting, adding, crashing, coming back, changing words and draining each raise the revision."""
    state: RegistryState[str, str] = RegistryState(lease_s=LEASE_S)
    revisions = [state.revision]

    def change(descriptions, endpoints, now):
        assert see(state, descriptions, endpoints, now)
        revisions.append(state.revision)

    change([described(CLOCK, 1)], [leased(CLOCK, 1)], 0)
    change([described(CLOCK, 1), described(MUSIC, 2)], [leased(CLOCK, 2), leased(MUSIC, 3)], 1)
    change([described(CLOCK, 1), described(MUSIC, 2)], [leased(CLOCK, 4)], 20)
    change([described(CLOCK, 1), described(MUSIC, 2)], [leased(CLOCK, 5), leased(MUSIC, 6)], 21)
    change([described(CLOCK, 1), described(MUSIC, 3)], [leased(CLOCK, 5), leased(MUSIC, 6)], 22)
    change([described(CLOCK, 4, "b"), described(MUSIC, 3)], [leased(CLOCK, 5), leased(MUSIC, 6)], 23)
    change([withdrawn(CLOCK, 5), described(MUSIC, 3)], [leased(CLOCK, 5), leased(MUSIC, 6)], 24)
    assert revisions == sorted(set(revisions))


def test_readers_that_see_the_same_have_the_same_revision() -> None:
    """A reader that watched a crash and a return agrees with one that starts afterwards."""
    watched: RegistryState[str, str] = RegistryState(lease_s=LEASE_S)
    see(watched, [described(CLOCK, 1)], [leased(CLOCK, 1)], 0)
    see(watched, [described(CLOCK, 1)], [], 20)
    crashed: RegistryState[str, str] = RegistryState(lease_s=LEASE_S)
    see(crashed, [described(CLOCK, 1)], [], 0)
    see(watched, [described(CLOCK, 1)], [leased(CLOCK, 2)], 21)
    see(watched, [described(CLOCK, 2)], [leased(CLOCK, 2)], 22)
    late: RegistryState[str, str] = RegistryState(lease_s=LEASE_S)
    see(late, [described(CLOCK, 2)], [leased(CLOCK, 3)], 0)
    assert watched.revision == late.revision


def test_a_bucket_made_anew_does_not_lower_the_revision(state) -> None:
    """When the bucket's sequence starts again, the revision goes on rising."""
    see(state, [described(CLOCK, 41)], [leased(CLOCK, 1)], 0)
    before = state.revision
    see(state, [described(MUSIC, 1)], [leased(MUSIC, 1), drained(CLOCK, 2)], 1)
    assert live(state) == ["music"]
    assert state.revision == before + 1


def test_a_marker_that_went_away_does_not_lower_the_revision(state) -> None:
    """The bucket's last sequence counts, whether or not its entry is still there."""
    music = [described(MUSIC, 1)]
    state.listed([*music, withdrawn(CLOCK, 3)], [leased(MUSIC, 1)], last_sequence=3, now=0)
    assert not state.listed(music, [leased(MUSIC, 2)], last_sequence=3, now=1)
    late: RegistryState[str, str] = RegistryState(lease_s=LEASE_S)
    late.listed(music, [leased(MUSIC, 2)], last_sequence=3, now=0)
    assert late.revision == state.revision
