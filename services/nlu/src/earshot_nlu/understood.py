"""One interpretation, measured and traced; the bus and gRPC both come through here."""

from __future__ import annotations

import time

from earshot_chassis import telemetry
from earshot_nlu import metrics
from earshot_nlu.understanding.household import Vocabulary
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import Interpretation, Utterance
from earshot_topology import attributes


def understood(interpreter: Interpreter, utterance: Utterance, words: Vocabulary | None) -> Interpretation:
    """Interpret an utterance in a span of its own; a few milliseconds at most, so on the event loop.

    Raises:
        InvalidInputError: As `Interpreter.interpret`.
    """
    started = time.perf_counter()
    with telemetry.span("nlu.interpret") as span:
        interpretation = interpreter.interpret(utterance, words)
        found = interpretation.hypotheses
        if span.is_recording():
            span.set_attributes(telemetry.allowed(_attributes(utterance, interpretation)))
    metrics.INTERPRETING.record(time.perf_counter() - started)
    metrics.UTTERANCES.add(1, {"by": found[0].recognizer.value if found else "nothing", "locale": utterance.locale})
    return interpretation


def _attributes(utterance: Utterance, interpretation: Interpretation) -> dict[str, str | int | float]:
    values: dict[str, str | int | float] = {
        attributes.LOCALE: utterance.locale,
        attributes.REGISTRY_REVISION: interpretation.registry_revision,
        attributes.HYPOTHESIS_COUNT: len(interpretation.hypotheses),
        attributes.PII_TRANSCRIPT: interpretation.transcript,
    }
    if interpretation.hypotheses:
        best = interpretation.hypotheses[0]
        values |= {
            attributes.INTENT: best.intent,
            attributes.INTENT_CONFIDENCE: best.confidence,
            attributes.RECOGNIZER: best.recognizer.value,
        }
    return values
