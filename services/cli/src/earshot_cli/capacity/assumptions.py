"""What is assumed of a fleet and of the machines that carry it: each with a name, a default, and a way to say otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace

from earshot_cli.capacity.figures import Figures
from earshot_cli.errors import BadArgumentError


def _assumed(default: float, meaning: str) -> float:
    value: float = field(default=default, metadata={"meaning": meaning})
    return value


def _measured(meaning: str) -> float | None:
    value: float | None = field(default=None, metadata={"meaning": meaning})
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """Everything that was not measured, and what another fleet has otherwise. Shares are between 0 and 1; None is as it was measured."""

    utterance_s: float | None = _measured("sound of an utterance, with the silence that ends it")
    answer_s: float | None = _measured("sound of an answer; tts works for each second of it")
    copy_cost: float | None = _measured("cost of a turn on a bus that keeps three copies, over one that keeps one")

    online: float = _assumed(1.0, "share of the devices that are connected at the busiest moment")
    machine: float = _assumed(1.0, "speed of a production core over one of the machine that was measured")
    skill_skew: float = _assumed(1.0, "turns that each skill is sized for, over an even share of all of them")
    timers: float = _assumed(0.1, "occurrences (timers, alarms) a turn")
    busy: float = _assumed(
        0.6, "share of the cores that a pod is sure of (it requests them) in use at the busiest moment"
    )
    standing: float = _assumed(
        0.77, "share of the pods for the busiest moment's CPU that always stands ready (make simulate-scaling)"
    )
    spare_pods: float = _assumed(1.0, "pods of each service beyond what is needed: one may die")
    retries: float = _assumed(1.05, "turns that are worked on, of one that is spoken")
    node_cores: float = _assumed(6.0, "cores of a NATS node")
    node_memory_gib: float = _assumed(8.0, "memory of a NATS node")
    node_memory_busy: float = _assumed(
        0.7, "share of a NATS node's memory that connections and memory streams may take"
    )
    node_connections: float = _assumed(40_000, "connections that a NATS node is given; its own limit is 65,536")
    pod_connections: float = _assumed(1.0, "connections of a pod to the bus")
    tls_kib: float = _assumed(40.0, "memory of TLS a connection; it was measured without")
    bus_busy: float = _assumed(0.5, "share of a NATS node's cores in use at the busiest moment")
    copies: float = _assumed(3.0, "copies of every stream, and nodes of a cell that hold all of them")
    full: float = _assumed(0.5, "share of a stream's bounds that is in use at the busiest moment")
    audio_bytes_per_s: float = _assumed(34_000, "bytes of a second of sound on the bus: PCM at 16 kHz and its frames")
    capture_kept_s: float = _assumed(5.0, "time that captured frames are kept after their turn")
    frames_per_s: float = _assumed(25.0, "messages that a second of an utterance's sound comes in")
    backfill_s: float = _assumed(10.0, "time that a device may ask for frames of an answer behind its end")
    claimed_s: float = _assumed(42.0, "time that OUTCOMES must know a turn: the longest utterance and its answer")
    utterance_tail_s: float = _assumed(0.1, "time that an utterance is unacknowledged behind its end")
    answer_ahead_s: float = _assumed(
        2.0, "time that an answer is sent ahead of what is heard of it, and so acknowledged"
    )
    nlu_pending_s: float = _assumed(0.1, "time that a transcript is unacknowledged: its meaning is found")
    turn_pending_s: float = _assumed(0.5, "time that a meaning is unacknowledged: a skill is called")
    handled_s: float = _assumed(0.05, "time that a message is unacknowledged which is noted and no more")
    utterances_writes: float = _assumed(1.0, "messages of a turn in UTTERANCES: its start")
    turns_writes: float = _assumed(2.0, "messages of a turn in TURNS: transcript, meaning")
    outcomes_writes: float = _assumed(1.0, "messages of a turn in OUTCOMES")
    deadlines_writes: float = _assumed(2.0, "messages of a turn in DEADLINES: it is armed twice")
    device_events_writes: float = _assumed(4.0, "messages of a turn in DEVICE_EVENTS")
    quota_writes: float = _assumed(2.0, "messages of a turn in QUOTAS: its utterance, its bytes")
    quota_bytes: float = _assumed(250.0, "bytes of a message in QUOTAS")
    quota_window_s: float = _assumed(60.0, "time that a message in QUOTAS has to be known: a window")
    effects: float = _assumed(0.2, "things that skills write down in their journal in a turn, each kept for a day")
    directives_per_timer: float = _assumed(1.0, "directives of an occurrence, kept for a day: it rings")
    alarms_at_once: float = _assumed(0.002, "share of the devices whose alarm is set to one and the same moment")
    schedules: float = _assumed(1.0, "timers, alarms and reminders that a device has")
    household_devices: float = _assumed(1.5, "devices of a household")
    skill_states: float = _assumed(2.0, "skills that keep something of a household")
    word_lists: float = _assumed(1.0, "skills that keep words of a household")
    new_sentences: float = _assumed(0.05, "sentences of a turn that nobody was told within a week")
    event_bytes: float = _assumed(700.0, "bytes of a message as it is stored, where none was measured")
    deliveries_per_turn: float = _assumed(30.0, "messages to a device in a turn, without sound")


def meanings() -> dict[str, str]:
    """Return what each assumption is about."""
    return {each.name: each.metadata["meaning"] for each in fields(Assumptions)}


def assumed(given: Iterable[str]) -> Assumptions:
    """Read `name=value` for each assumption that is to be another.

    Raises:
        BadArgumentError: There is no such assumption (code `unknown_assumption`), or its value is no positive number.
    """
    known = meanings()
    values: dict[str, float] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if name not in known:
            raise BadArgumentError(
                f"there is no assumption {name!r}; there are {', '.join(known)}", code="unknown_assumption"
            )
        try:
            values[name] = float(value)
        except ValueError as error:
            raise BadArgumentError(f"{text!r}: give {name}=number") from error
        if not equals or not 0 < values[name] < float("inf"):
            raise BadArgumentError(f"{text!r}: give {name}=number above 0")
    return replace(Assumptions(), **values)


def filled(assumptions: Assumptions, figures: Figures) -> Assumptions:
    """Return assumptions with what was measured in place of what nobody has assumed otherwise."""
    measured = {"utterance_s": figures.utterance_s, "answer_s": figures.answer_s, "copy_cost": figures.bus.copy_cost}
    return replace(assumptions, **{name: getattr(assumptions, name) or value for name, value in measured.items()})


def otherwise(figures: Figures, assumptions: Assumptions) -> Figures:
    """Return figures as they would be with utterances, answers and copies as they are assumed.

    What asr costs is that of a second of sound, so that nothing is to be done about it here. What tts costs grows with the
    answer, and what the bus costs with all sound of a turn: most of its messages are frames.
    """
    utterance_s, answer_s = assumptions.utterance_s or figures.utterance_s, assumptions.answer_s or figures.answer_s
    longer = answer_s / figures.answer_s if figures.answer_s else 1.0
    louder = (utterance_s + answer_s) / (figures.utterance_s + figures.answer_s)
    services = {
        name: each.model_copy(update={"cpu_s_per_turn": each.cpu_s_per_turn * longer}) if name == "tts" else each
        for name, each in figures.services.items()
    }
    bus = figures.bus.model_copy(
        update={
            "cpu_s_per_turn": figures.bus.cpu_s_per_turn * louder,
            "copy_cost": assumptions.copy_cost or figures.bus.copy_cost,
        }
    )
    return figures.model_copy(
        update={"utterance_s": utterance_s, "answer_s": answer_s, "services": services, "bus": bus}
    )
