"""Which faults happen, drawn from a seed: kinds, stages, replicas, moments within a turn, how long, what rest.

A deck holds every kind with every stage once; it is shuffled, dealt, shuffled anew. So a run of any length hits all
stages evenly, and the same seed deals the same faults in the same order. Moments are counted from what some device does
(see `phases`), because what a fault hits depends on how far a turn is, not on the clock.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chaos.phases import Phase


class Kind(StrEnum):
    """What is done to a process, or to a connection."""

    KILL = "kill"
    FREEZE = "freeze"
    RESTART = "restart"
    CUT = "cut"
    KILL_LEADER = "kill leader"
    PARTITION = "partition"
    PARTITION_LEADER = "partition leader"


BUS: Final = "bus"
DEVICE: Final = "device"

# Longer than any lease, so that the owner is replaced while it sleeps; shorter than a turn's deadline.
_FROZEN_S = (2.0, 5.0)
# Longer than a keep-alive would notice, shorter than the deadline by the time that catching up takes.
_CUT_S = (0.5, 4.0)
# Shorter and longer than nodes keep a silent route, which is 3 s. The longer ones, of which there are few, are also longer
# than nodes wait before they elect another leader: 4 s, counted from its last word, which is up to a second old. They alone
# forgive.
_ELECTS_S: Final = 3.0
_PARTED_S = (2.0, _ELECTS_S)
_PARTED_LONG_S = (3.6, 6.0)
_LONG_OF = 4
_PARTITIONS: Final = (Kind.PARTITION, Kind.PARTITION_LEADER)
# From the phase's beginning.
_MOMENTS: Final[dict[str, tuple[tuple[Phase, float], ...]]] = {
    "asr": ((Phase.SPEAKING, 1.8),),
    "tts": ((Phase.WAITING, 0.2), (Phase.SOUNDING, 3.0)),
    "scheduler": ((Phase.SETTING, 0.05), (Phase.DUE, 0.6)),
    DEVICE: ((Phase.SPEAKING, 1.5), (Phase.WAITING, 0.1), (Phase.SOUNDING, 2.0), (Phase.DUE, 1.0)),
    BUS: ((Phase.SPEAKING, 1.5), (Phase.WAITING, 0.2), (Phase.SOUNDING, 2.0), (Phase.DUE, 0.5)),
}
_DECIDING: Final = ((Phase.WAITING, 0.2),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One fault to come.

    Attributes:
        kind: What.
        stage: To what: a service's name, DEVICE or BUS.
        replica: A number that picks one of the stage's processes, modulo how many there are.
        phase: What a device has to begin.
        after_s: How long after that.
        lasts_s: How long it lasts, where that can be chosen.
    """

    kind: Kind
    stage: str
    replica: int
    phase: Phase
    after_s: float
    lasts_s: float

    @property
    def elects_twice(self) -> bool:
        """Whether leaders are elected while it lasts, and again when it is over, as a node that campaigned is back.

        Both together may take longer than a turn may.
        """
        return self.kind in _PARTITIONS and self.lasts_s > _ELECTS_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """What happens at once: one fault, or several ("multi").

    Attributes:
        faults: At least one; all wait for the first one's moment.
        rest_s: How long everything is left alone after it has recovered.
    """

    faults: tuple[Planned, ...]
    rest_s: float

    @property
    def multi(self) -> bool:
        """Whether more than one process is gone at the same time."""
        return len(self.faults) > 1

    @property
    def forgives(self) -> bool:
        """Whether turns may be apologised for."""
        return self.multi or any(fault.elects_twice for fault in self.faults)


def deck(services: Sequence[str], *, nodes: int, cuts: bool) -> list[tuple[Kind, str]]:
    """Return every kind of fault with every stage that it can hit.

    Args:
        services: Names of services with several replicas.
        nodes: Servers of the bus; one server alone is left running.
        cuts: Whether connections can be cut.
    """
    kinds = [Kind.KILL, Kind.FREEZE, Kind.RESTART] + ([Kind.CUT] if cuts else [])
    cards = [(kind, name) for name in services for kind in kinds]
    if cuts:
        cards += [(Kind.CUT, DEVICE)] * 3
    if nodes > 1:
        cards += [(Kind.KILL, BUS), (Kind.KILL_LEADER, BUS), (Kind.RESTART, BUS), (Kind.FREEZE, BUS)]
        cards += [(Kind.CUT, BUS), (Kind.PARTITION, BUS), (Kind.PARTITION_LEADER, BUS)] if cuts else []
    return cards


def schedule(
    seed: str, cards: Sequence[tuple[Kind, str]], *, multi_every: int = 12, rest_s: tuple[float, float] = (0.3, 1.5)
) -> Iterator[Blow]:
    """Yield blows without end.

    Args:
        seed: Decides all of it.
        cards: What there is, see `deck`.
        multi_every: Every so many blows is two faults at once; 0: never.
        rest_s: Shortest and longest rest.
    """
    chance = random.Random(seed)
    processes = [card for card in cards if card[1] not in (BUS, DEVICE) and card[0] is not Kind.CUT]
    dealt = 0
    while True:
        for card in chance.sample(cards, len(cards)):
            dealt += 1
            faults = [_planned(chance, *card)]
            if multi_every and dealt % multi_every == 0 and len(processes) > 1:
                faults = [_planned(chance, *pick) for pick in chance.sample(processes, 2)]
            yield Blow(faults=tuple(faults), rest_s=chance.uniform(*rest_s))


def _planned(chance: random.Random, kind: Kind, stage: str) -> Planned:
    phase, within_s = chance.choice(_MOMENTS.get(stage, _DECIDING))
    return Planned(
        kind=kind,
        stage=stage,
        replica=chance.randrange(1 << 16),
        phase=phase,
        after_s=chance.uniform(0.0, within_s),
        lasts_s=_lasts_s(chance, kind),
    )


def _lasts_s(chance: random.Random, kind: Kind) -> float:
    if kind in _PARTITIONS:
        return chance.uniform(*(_PARTED_S if chance.randrange(_LONG_OF) else _PARTED_LONG_S))
    return chance.uniform(*(_CUT_S if kind is Kind.CUT else _FROZEN_S))
