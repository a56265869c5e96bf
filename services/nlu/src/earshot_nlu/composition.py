"""Puts NLU together from its settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from earshot.asr.v1 import events_pb2
from earshot.nlu.v1 import interpreter_pb2_grpc
from earshot_chassis.service import Service
from earshot_nlu.handlers import TurnReader
from earshot_nlu.households import Households
from earshot_nlu.learning import Learner
from earshot_nlu.servicer import InterpreterServicer
from earshot_nlu.settings import NluSettings
from earshot_nlu.understanding.english import English
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.language import Languages
from earshot_nlu.understanding.mandarin import Mandarin
from earshot_nlu.understanding.statistical.encoder import Encoder, NoEncoder, SentenceEncoder
from earshot_registry import HouseholdWords, SkillRegistry
from earshot_topology.streams import NLU_TRANSCRIBED
from earshot_topology.tenancy import household_of


def composition(settings: NluSettings) -> Callable[[Service], Awaitable[None]]:
    """Return what registers NLU with a service."""

    async def compose(service: Service) -> None:
        languages = Languages([English(), Mandarin()])
        interpreter = Interpreter(languages, max_characters=settings.max_characters)
        encoder: dict[str, Encoder] = {"sentences": SentenceEncoder(), "words": NoEncoder()}
        learner = Learner(
            interpreter, languages, encoder=encoder.get(settings.model), models=settings.models.expanduser()
        )
        registry = SkillRegistry(service.bus)
        registry.on_change(learner.follow)
        words = HouseholdWords(service.bus)
        households = Households(words, languages)
        service.bus.park_for(household_of)
        reader = TurnReader(service.bus, interpreter, households)
        service.bus.handler(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, reader.transcribed, concurrency=settings.turns)
        service.grpc.add(
            interpreter_pb2_grpc.add_InterpreterServicer_to_server,
            InterpreterServicer(interpreter, households),
            "earshot.nlu.v1.Interpreter",
        )
        # Both before work is taken: the first catalogue is in use when the first turn comes.
        service.on_start(learner.prepare)
        service.on_start(registry.start)
        service.on_start(words.start)
        service.on_stop(registry.stop)
        service.on_stop(words.stop)
        service.on_stop(learner.stop)

    return compose
