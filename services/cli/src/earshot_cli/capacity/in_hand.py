"""Messages that consumers have delivered and nobody has acknowledged: what bounds them on the bus, and what KEDA counts."""

from __future__ import annotations

from collections.abc import Mapping

from earshot_cli.capacity.assumptions import Assumptions
from earshot_cli.capacity.figures import Figures
from earshot_topology import streams


def held_s(figures: Figures, assumed: Assumptions) -> Mapping[str, float]:
    """Return how long a message of each consumer of the path is in somebody's hands, by the consumer's name."""
    times_s = {
        streams.ASR_STARTED: figures.utterance_s + assumed.utterance_tail_s,
        streams.NLU_TRANSCRIBED: assumed.nlu_pending_s,
        streams.DIALOGUE_INTERPRETED: assumed.turn_pending_s,
        # An answer is acknowledged when all of it is sent, which is before it is heard.
        streams.TTS_OUTCOMES: max(assumed.handled_s, figures.answer_s - assumed.answer_ahead_s),
    }
    return {consumer.durable: seconds for consumer, seconds in times_s.items()}


def in_hand(turns_per_s: float, alarms: float, figures: Figures, assumed: Assumptions) -> Mapping[str, float]:
    """Return how many there are of each consumer, by its name: messages a second times the time that each is in somebody's hands.

    Args:
        turns_per_s: Turns that are spoken in a second.
        alarms: Alarms of one and the same moment, beside the timers of those turns.
        figures: What was measured.
        assumed: What was not.
    """
    rate = turns_per_s * assumed.retries
    rings = turns_per_s * assumed.timers + alarms
    times_s = {
        streams.DIALOGUE_STARTED: rate * assumed.handled_s,
        streams.DIALOGUE_EVENTS: rate * assumed.device_events_writes * assumed.handled_s,
        # Those of turns that have their outcome become due as well.
        streams.DIALOGUE_DEADLINE: rate * assumed.handled_s,
        # Alarms are set to the half hour, timers are not.
        streams.SCHEDULER_DUE: rings * assumed.handled_s,
        streams.SCHEDULER_RINGS: rings * assumed.handled_s,
    }
    of_turns = {durable: rate * seconds for durable, seconds in held_s(figures, assumed).items()}
    return of_turns | {consumer.durable: messages for consumer, messages in times_s.items()}
