"""A fleet under load in virtual time: turns pass the services one after the other, pods come and go.

    arrival ► asr ► nlu ► dialogue ► one of the skills ► tts ► first audio
              each: one queue (its durable consumer) before all slots of its ready pods

What a turn takes when nobody else speaks is not modelled but drawn from what was measured; the fleet adds what queues and
catching up cost. An utterance that waits for a recogniser loses nothing: its frames are captured, and whoever takes it reads
them faster than they were spoken. So a wait costs the user only what it is longer than the rest of the sentence.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from earshot_cli.capacity.sure import sure_cores
from earshot_cli.scaling import keda
from earshot_cli.scaling.hpa import SYNC_S, TOLERANCE, Autoscaler, Pod, by_average, by_utilisation
from earshot_cli.scaling.scaledobjects import ScaledObject, Trigger

# Around their mean: what services do of one kind of turn differs by about half.
_SHAPE = 4.0
# A recogniser that takes an utterance later than this has something to catch up with.
_BEHIND_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """One service of the path.

    Attributes:
        name: "asr" and so on.
        slots: Turns that a pod has in hand at once.
        cores: CPU that a pod requests.
        idle_cores: CPU that it uses when nobody speaks.
        cpu_s: CPU time of a turn; of asr for a second of sound.
        start_s: From a container's start to its readiness.
        hold_s: How long a turn is still in hand when its next service has it: an answer is being spoken.
        scaling: Its ScaledObject.
        stage: What it has in common with those of which a turn passes one: "skill"; its name, if there are no others.
    """

    name: str
    slots: int
    cores: float
    cpu_s: float
    start_s: float
    scaling: ScaledObject
    hold_s: float = 0.0
    idle_cores: float = 0.0
    stage: str = ""

    @property
    def sure_cores(self) -> float:
        """CPU that a pod is sure of for its turns, each of which uses one core at most."""
        return sure_cores(self.cores, self.idle_cores, self.slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a cluster adds; every one of them an assumption.

    Attributes:
        schedule_s: From the decision to a pod's place on a node that has room.
        pull_s: Pulling its image.
        probe_s: Periods of the startup and the readiness probe, which find a pod ready this much later at most.
        sync_s: How often the autoscaler looks.
        scrape_s: How often Prometheus does: the PodMonitor's interval.
        metrics_s: How often metrics-server does: its resolution.
        tolerance: What the autoscaler lets pass.
    """

    schedule_s: float = 2.0
    pull_s: float = 20.0
    probe_s: float = 4.0
    sync_s: float = SYNC_S
    scrape_s: float = 5.0
    metrics_s: float = 15.0
    tolerance: float = TOLERANCE


@dataclass(slots=True)
class Point:
    """How a service was at a sync of its autoscaler."""

    at: float
    ready: int
    desired: int
    in_hand: int
    waiting: int


@dataclass(slots=True)
class Heard:
    """One turn: when it began, and when its answer was first heard after the end of speech."""

    began: float
    first_audio_s: float


@dataclass(slots=True)
class Run:
    """What came of a run."""

    heard: list[Heard] = field(default_factory=list)
    points: dict[str, list[Point]] = field(default_factory=dict)
    pod_s: dict[str, float] = field(default_factory=dict)
    """Pods times seconds, from their scheduling on."""
    changes: dict[str, int] = field(default_factory=dict)
    """How often a number of replicas was changed."""


@dataclass(slots=True)
class _Turn:
    began: float
    utterance_s: float
    base_s: float
    at: float = 0.0
    late_s: float = 0.0
    behind: bool = False


def measured(ready_at: float, sampled_at: float, window_s: float) -> bool:
    """Return whether the autoscaler believes a pod's CPU: all that the figure is of was used after the pod became ready."""
    return ready_at + window_s <= sampled_at


class _Station:
    """One service: its queue, its pods, its autoscaler."""

    def __init__(self, spec: ServiceSpec, replicas: int) -> None:
        self.spec = spec
        self.queue: deque[_Turn] = deque()
        self.busy = 0
        self.held = 0
        self.catching = 0
        self.ready = replicas
        self.desired = replicas
        self.ready_at = [float("-inf")] * replicas
        self.cpu_s = 0.0
        self.usage = 0.0
        self.sampled_s = 0.0
        self.sampled_at: float | None = None
        self.pod_s = 0.0
        self.counted_to = 0.0
        self.changes = 0
        self.activity = keda.Activity()
        self.autoscaler = Autoscaler(
            minimum=max(1, spec.scaling.minimum), maximum=spec.scaling.maximum, behaviour=spec.scaling.behaviour
        )

    @property
    def free(self) -> int:
        """Slots that take a turn; fewer than none while pods that leave finish theirs."""
        return self.ready * self.spec.slots - self.busy

    @property
    def in_hand(self) -> int:
        """Messages delivered and not acknowledged."""
        return self.busy + self.held

    @property
    def lag(self) -> int:
        """What KEDA asks of a consumer: pending and unacknowledged."""
        return len(self.queue) + self.in_hand

    def sample(self, now: float) -> None:
        """Let metrics-server see what a ready pod used since it looked last."""
        since = now - (self.sampled_at or 0.0)
        self.usage = (self.cpu_s - self.sampled_s) / since / max(1, self.ready) + self.spec.idle_cores
        self.sampled_s, self.sampled_at = self.cpu_s, now

    def count(self, now: float) -> None:
        """Count pods and seconds up to now."""
        self.pod_s += self.desired * (now - self.counted_to)
        self.counted_to = now


class Fleet:
    """The services of the path under one load.

    Args:
        services: In the order in which a turn passes them; the first is the recogniser. Of those of one stage it passes one.
        conditions: What the cluster adds.
        utterances_s: Lengths to draw from: sound with the silence that ends it.
        first_audio_s: Measured times to draw from.
        seed: The same seed gives the same run.
        replicas: Pods that are ready at the beginning; a service's minimum where none are named.
    """

    def __init__(
        self,
        services: Sequence[ServiceSpec],
        conditions: Conditions,
        *,
        utterances_s: Sequence[float],
        first_audio_s: Sequence[float],
        seed: int,
        replicas: dict[str, int] | None = None,
    ) -> None:
        self._conditions = conditions
        self._utterances_s = tuple(utterances_s)
        self._first_audio_s = tuple(first_audio_s)
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        begin = replicas or {}
        self._stations = [
            _Station(spec, max(spec.scaling.minimum, begin.get(spec.name, spec.scaling.minimum))) for spec in services
        ]
        stages = [
            list(each) for _, each in itertools.groupby(self._stations, lambda one: one.spec.stage or one.spec.name)
        ]
        self._stages = [[self._stations.index(station) for station in stage] for stage in stages]
        self._stage_of = {index: place for place, stage in enumerate(self._stages) for index in stage}
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._cached: dict[int, keda.Cached] = {}
        self._proposed: dict[str, list[int | None]] = {}
        self._run = Run(points={spec.name: [] for spec in services})

    def run(self, arrivals: Sequence[float], seconds: float) -> Run:
        """Let turns begin when they do; return what was heard of them and how the services were."""
        for index, station in enumerate(self._stations):
            # Autoscalers and polls are not in step with one another.
            self._at(self._random.random() * self._conditions.sync_s, self._syncing(station))
            self._at(self._random.random() * station.spec.scaling.polling_s, self._polling(station))
            for place, trigger in enumerate(station.spec.scaling.triggers):
                self._cache(index * 100 + place, station, trigger)
        coming = iter(arrivals)

        def arrive(now: float) -> None:
            turn = _Turn(
                began=now,
                utterance_s=self._random.choice(self._utterances_s),
                base_s=self._random.choice(self._first_audio_s),
                at=now,
            )
            self._enter(0, turn, now)
            following = next(coming, None)
            if following is not None:
                self._at(following, arrive)

        first = next(coming, None)
        if first is not None:
            self._at(first, arrive)
        while self._events and self._events[0][0] <= seconds:
            now, _, happen = heapq.heappop(self._events)
            happen(now)
        # Whoever is still waiting has been waiting since it came.
        for index, station in enumerate(self._stations):
            for turn in station.queue:
                waited = seconds - turn.at - (turn.utterance_s if not index else 0.0)
                self._run.heard.append(Heard(turn.began, turn.base_s + turn.late_s + max(0.0, waited)))
            station.count(seconds)
            self._run.pod_s[station.spec.name] = station.pod_s
            self._run.changes[station.spec.name] = station.changes
        self._run.heard.sort(key=lambda heard: heard.began)
        return self._run

    def _at(self, when: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), happen))

    # Turns.

    def _enter(self, stage: int, turn: _Turn, now: float) -> None:
        turn.at = now
        places = self._stages[stage]
        index = places[0] if len(places) == 1 else self._random.choice(places)
        station = self._stations[index]
        station.queue.append(turn)
        self._take(index, now)

    def _take(self, index: int, now: float) -> None:
        station = self._stations[index]
        while station.queue and station.free > 0:
            turn = station.queue.popleft()
            station.busy += 1
            done = self._recognised(station, turn, now) if not index else self._done(station, turn, now)
            self._at(done, self._leaving(index, turn))

    def _recognised(self, station: _Station, turn: _Turn, now: float) -> float:
        """Return when an utterance is recognised: at its end, or when what was said before has been caught up with.

        Who keeps up with speech takes its cost; what the pods' cores have left is shared by those who catch up, of whom
        none can use more than one core. Shares are those of the moment in which an utterance is taken.
        """
        spec = station.spec
        cost = turn.utterance_s * spec.cpu_s
        station.cpu_s += cost
        cores = max(1, station.ready) * spec.sure_cores
        behind = now - turn.began > _BEHIND_S
        station.catching += behind
        keeping_up = station.busy - station.catching
        if behind:
            left = max(cores - keeping_up * spec.cpu_s, 0.0) / station.catching
            share = min(1.0, max(left, cores / station.busy))
        else:
            share = min(1.0, cores / station.busy) if station.busy * spec.cpu_s > cores else 1.0
        end = turn.began + turn.utterance_s
        done = max(end, now + cost / share)
        turn.late_s += done - end
        turn.behind = behind
        return done

    def _done(self, station: _Station, turn: _Turn, now: float) -> float:
        spec = station.spec
        cost = self._random.gammavariate(_SHAPE, spec.cpu_s / _SHAPE)
        station.cpu_s += cost
        done = now + cost / spec.sure_cores
        # Its mean is in what was measured.
        turn.late_s += max(0.0, done - turn.at - spec.cpu_s)
        return done

    def _leaving(self, index: int, turn: _Turn) -> Callable[[float], None]:
        def leave(now: float) -> None:
            station = self._stations[index]
            station.busy -= 1
            if turn.behind:
                station.catching -= 1
                turn.behind = False
            if station.spec.hold_s:
                station.held += 1
                self._at(now + station.spec.hold_s, self._releasing(station))
            following = self._stage_of[index] + 1
            if following < len(self._stages):
                self._enter(following, turn, now)
            else:
                self._run.heard.append(Heard(turn.began, turn.base_s + turn.late_s))
            self._take(index, now)

        return leave

    @staticmethod
    def _releasing(station: _Station) -> Callable[[float], None]:
        def release(_now: float) -> None:
            station.held -= 1

        return release

    # Pods.

    def _scale(self, station: _Station, wanted: int, now: float) -> None:
        station.count(now)
        if wanted != station.desired:
            station.changes += 1
        for _ in range(wanted - station.desired):
            ready = now + self._conditions.schedule_s + self._conditions.pull_s + station.spec.start_s
            ready += self._random.random() * self._conditions.probe_s
            station.ready_at.append(ready)
            self._at(ready, self._getting_ready(station, ready))
        for _ in range(station.desired - wanted):
            # Those that are not ready go first; one that is finishes what it has.
            latest = max(station.ready_at)
            station.ready_at.remove(latest)
            if latest <= now:
                station.ready -= 1
        station.desired = wanted

    def _getting_ready(self, station: _Station, when: float) -> Callable[[float], None]:
        def ready(now: float) -> None:
            if when in station.ready_at:
                station.ready += 1
                self._take(self._stations.index(station), now)

        return ready

    # Autoscaling.

    def _syncing(self, station: _Station) -> Callable[[float], None]:
        index = self._stations.index(station)

        def sync(now: float) -> None:
            proposals = [
                self._proposal(station, index * 100 + place, trigger)
                for place, trigger in enumerate(station.spec.scaling.triggers)
            ]
            wanted = station.autoscaler.sync(now, station.desired, proposals)
            self._scale(station, wanted, now)
            self._run.points[station.spec.name].append(
                Point(now, station.ready, station.desired, station.in_hand, len(station.queue))
            )
            self._at(now + self._conditions.sync_s, sync)

        return sync

    def _polling(self, station: _Station) -> Callable[[float], None]:
        scaling = station.spec.scaling

        def look(now: float) -> None:
            wanted = keda.poll(
                now, station.desired, scaling.minimum, scaling.cooldown_s, station.activity, active=station.lag > 0
            )
            self._scale(station, wanted, now)
            self._at(now + scaling.polling_s, look)

        return look

    def _proposal(self, station: _Station, key: int, trigger: Trigger) -> int | None:
        if trigger.type == "cpu":
            sampled_at = station.sampled_at
            if sampled_at is None:
                return None
            used = self._cached[key].value()
            known = [measured(at, sampled_at, self._conditions.metrics_s) for at in station.ready_at]
            pods = [Pod(usage=used if each else 0.0, request=station.spec.cores, ready=each) for each in known]
            return by_utilisation(pods, trigger.target, station.desired, self._conditions.tolerance)
        value = self._cached[key].value() if key in self._cached else float(self._station_of(station, trigger).lag)
        return by_average(value, trigger.target, station.desired, self._conditions.tolerance)

    def _cache(self, key: int, station: _Station, trigger: Trigger) -> None:
        """Keep what is not read afresh at a sync: what Prometheus or metrics-server saw, what KEDA read at its last poll."""
        of = self._station_of(station, trigger)
        if trigger.type == "prometheus":
            cached = keda.Cached(lambda: float(of.in_hand), self._conditions.scrape_s, self._offset())
        elif trigger.type == "cpu":
            cached = keda.Cached(lambda: station.usage, self._conditions.metrics_s, self._offset())
        elif trigger.cached:
            cached = keda.Cached(lambda: float(of.lag), station.spec.scaling.polling_s, self._offset())
        else:
            return
        self._cached[key] = cached

        def refresh(now: float) -> None:
            if trigger.type == "cpu":
                station.sample(now)
            cached.refresh()
            self._at(cached.due(now), refresh)

        self._at(cached.due(0.0), refresh)

    def _offset(self) -> float:
        return self._random.random()

    def _station_of(self, station: _Station, trigger: Trigger) -> _Station:
        """Return whose messages a trigger counts: a service may scale on what another one has in hand."""
        consumer = trigger.metadata.get("consumer", station.spec.name)
        return next((each for each in self._stations if each.spec.name == consumer), station)
