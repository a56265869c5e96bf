"""What NLU counts and times."""

from __future__ import annotations

from earshot_chassis import telemetry

INTERPRETING = telemetry.histogram(
    "earshot.nlu.interpret",
    "Time to interpret one utterance.",
    buckets=(0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256),
)
LATENCY = telemetry.histogram("earshot.nlu.transcribed_to_interpreted", "From a transcript's delivery to its storing.")
UTTERANCES = telemetry.counter(
    "earshot.nlu.utterances", "Utterances by what found their meaning: a recogniser, nothing, or an error's code."
)
LEARNING = telemetry.histogram("earshot.nlu.learn", "Time to learn a change of the registry.")
TRAINING = telemetry.histogram("earshot.nlu.train", "Time until a model of new sentences is in use.")
