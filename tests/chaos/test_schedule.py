"""The same seed deals the same faults; no stage is left out for long."""

from __future__ import annotations

import itertools
from collections import Counter

from chaos.codewords import LOCALES
from chaos.lines import SUBJECTS, as_spoken, lines, words
from chaos.schedule import BUS, DEVICE, Kind, deck, schedule

SERVICES = ("asr", "nlu", "tts")


def dealt(seed: str, count: int, **options):
    """Return the first blows of a schedule."""
    return list(itertools.islice(schedule(seed, deck(SERVICES, nodes=3, cuts=True), **options), count))


def test_a_seed_decides_everything():
    """What went wrong once can be had again."""
    assert dealt("a", 50) == dealt("a", 50)
    assert dealt("a", 50) != dealt("b", 50)


def test_every_fault_comes_once_before_any_comes_again():
    """A run of any length hits all stages evenly."""
    cards = deck(SERVICES, nodes=3, cuts=True)
    hit = Counter((blow.faults[0].kind, blow.faults[0].stage) for blow in dealt("a", len(cards), multi_every=0))
    assert hit == Counter(cards)
    assert {stage for _, stage in cards} == {*SERVICES, BUS, DEVICE}


def test_one_server_alone_is_left_running():
    """Nothing could be answered without it."""
    assert all(stage != BUS for _, stage in deck(SERVICES, nodes=1, cuts=True))


def test_several_faults_at_once_come_rarely_and_are_marked():
    """Most faults are of one process."""
    blows = dealt("a", 60, multi_every=12)
    assert [number for number, blow in enumerate(blows, 1) if blow.multi] == [12, 24, 36, 48, 60]


def test_a_process_sleeps_longer_than_its_lease_and_shorter_than_a_deadline():
    """Otherwise nobody would take over, or nobody could be answered."""
    assert all(
        1.5 < fault.lasts_s < 8 for blow in dealt("a", 200) for fault in blow.faults if fault.kind is Kind.FREEZE
    )


def test_partitions_are_shorter_and_longer_than_an_election_waits_and_the_longer_ones_forgive():
    """Leaders that are elected twice in a row may cost an answer; whoever is parted for less may not."""
    faults = [fault for blow in dealt("a", 400, multi_every=0) for fault in blow.faults]
    parted = [fault for fault in faults if fault.kind in (Kind.PARTITION, Kind.PARTITION_LEADER)]
    assert {fault.stage for fault in parted} == {BUS}
    assert {fault.lasts_s > 4 for fault in parted} == {True, False}
    assert all(2 <= fault.lasts_s <= 6 for fault in parted)
    assert all(fault.elects_twice for fault in parted if fault.lasts_s > 4)
    assert not any(fault.elects_twice for fault in parted if fault.lasts_s <= 3)
    assert {fault.kind for fault in faults if fault.elects_twice} == {Kind.PARTITION, Kind.PARTITION_LEADER}
    assert all(blow.forgives for blow in dealt("a", 400) if blow.multi or blow.faults[0].elects_twice)


def test_one_partition_in_four_forgives():
    """Most have to be ridden out."""
    faults = [blow.faults[0] for blow in dealt("a", 8000, multi_every=0)]
    parted = [fault.elects_twice for fault in faults if fault.kind in (Kind.PARTITION, Kind.PARTITION_LEADER)]
    assert len(parted) > 600
    assert 0.2 < sum(parted) / len(parted) < 0.3


def test_users_say_the_same_with_the_same_seed_and_no_two_utterances_are_alike():
    """An answer fits its own turn alone."""
    for locale in LOCALES:
        first, again = (list(itertools.islice(lines("s", locale), 20)) for _ in range(2))
        assert [line.utterance.transcript for line in first] == [line.utterance.transcript for line in again]
        assert len({line.utterance.transcript for line in first}) == 20
        assert {line.said for line in first} <= {subject.said[locale] for subject in SUBJECTS}


def test_apologies_are_known_in_every_locale_and_none_is_an_answer():
    """The checker reads them where dialogue does."""
    known = words()
    assert as_spoken("Sorry, that took too long.", "en-US") in known.apologies
    assert as_spoken("抱歉，时间太久了。", "zh-CN") in known.apologies
    assert len(known.unknown) == len(LOCALES)
