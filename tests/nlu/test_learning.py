"""Skills come and go: they are understood and forgotten without a pause."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

from earshot.nlu.v1 import interpreter_pb2
from earshot_chassis.bus import Bus
from earshot_chassis.settings import ServiceSettings
from earshot_nlu.learning import Learner
from earshot_nlu.understanding.catalogue import CatalogueBuilder
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import SkillWords
from earshot_nlu.wire import response
from earshot_registry import RegisteredSkill, RegistrySnapshot, SkillRegistry
from support.nats import nats_server
from support.registered import deregister, description, register
from support.understanding import LANGUAGES, ask, assistant_words, best, built, meaning, real_skill, skill_words, taught

GREETER = "intents: {hello: {data: [{sentences: ['hello there', 'good day [to you]']}]}}"


def snapshot(revision: int, *skills: list[SkillWords]) -> RegistrySnapshot:
    """Return a registry's snapshot of some skills."""
    return RegistrySnapshot(
        revision=revision, skills=tuple(RegisteredSkill(description=description(words)) for words in skills)
    )


def test_builder_compiles_only_what_changed(words: list[SkillWords]) -> None:
    """A skill that stayed as it was keeps its compiled sentences; one whose words changed does not."""
    builder = CatalogueBuilder(LANGUAGES)
    greeter = skill_words("greeter", "en-US", GREETER)
    other = skill_words("greeter", "en-US", GREETER.replace("hello", "howdy"))
    first, same, changed = (
        set(builder.build([*words, one], 1).grammars["en-US"].templates.units) for one in (greeter, greeter, other)
    )
    assert first == same
    assert len(first - changed) == len(changed - first) == 2


def test_two_versions_are_both_understood_and_the_newer_one_named() -> None:
    """While two versions of a skill run, what both mean is told once, as the newer version's."""
    old = skill_words("greeter", "en-US", GREETER, version="1.9.0")
    new = skill_words("greeter", "en-US", GREETER, version="1.10.0")
    for order in ([old, new], [new, old]):
        found = ask(taught(order), "hello there").hypotheses
        assert [(one.intent, one.skill_version) for one in found] == [("greeter.hello", "1.10.0")]


def test_utterance_is_read_by_one_catalogue(words: list[SkillWords]) -> None:
    """While catalogues change under a thread that asks, every answer is one of the two catalogues' whole."""
    interpreter = Interpreter(LANGUAGES)
    with_greeter = built([*words, skill_words("greeter", "en-US", GREETER)], 2)
    without = built(words, 1)
    interpreter.use(without)
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            interpreter.use(with_greeter)
            interpreter.use(without)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        seen = {(found.registry_revision, len(found.hypotheses)) for found in map(_greet(interpreter), range(300))}
    finally:
        stop.set()
        thread.join()
    assert seen <= {(1, 0), (2, 1)}


def _greet(interpreter: Interpreter):
    return lambda _: ask(interpreter, "hello there")


async def test_learning_does_not_hold_up_the_event_loop() -> None:
    """While large skills are learnt, the loop goes on: no wait is longer than a small part of the learning."""
    interpreter = Interpreter(LANGUAGES)
    learner = Learner(interpreter, LANGUAGES)
    await learner.prepare()
    await learner.follow(snapshot(1, assistant_words()))
    waits: list[float] = []
    learning = asyncio.create_task(learner.follow(snapshot(2, real_skill("clock"))))
    started = time.monotonic()
    while not learning.done():
        before = time.monotonic()
        assert best(interpreter, "never mind") is not None
        await asyncio.sleep(0)
        waits.append(time.monotonic() - before)
    took = time.monotonic() - started
    await learning
    assert interpreter.revision == 2
    assert len(waits) > 10
    assert max(waits) < max(0.15, took / 2)


async def test_following_the_registry(tmp_path: Path) -> None:
    """A skill that registers is understood within two seconds and forgotten within two of leaving, on a real bus."""
    async with nats_server(tmp_path) as server:
        bus = Bus("nlu", ServiceSettings(nats_url=server.url))
        await bus.connect()
        interpreter = Interpreter(LANGUAGES)
        registry = SkillRegistry(bus)
        registry.on_change(Learner(interpreter, LANGUAGES).follow)
        await registry.start()
        try:
            assert meaning(best(interpreter, "stop")) == ("assistant.stop", {})
            assert best(interpreter, "hello there") is None
            await register(bus.jetstream, [skill_words("greeter", "en-US", GREETER, {"hello": {}})])
            async with asyncio.timeout(2):
                while best(interpreter, "hello there") is None:
                    await asyncio.sleep(0.01)
            found = ask(interpreter, "hello there")
            assert found.registry_revision == registry.snapshot.revision > 0
            assert response(found).hypotheses[0] == interpreter_pb2.Hypothesis(
                intent="greeter.hello", confidence=1.0, recognizer="template", skill_version="1.0.0"
            )
            await deregister(bus.jetstream, "greeter")
            async with asyncio.timeout(2):
                while best(interpreter, "hello there") is not None:
                    await asyncio.sleep(0.01)
            assert meaning(best(interpreter, "stop")) == ("assistant.stop", {})
        finally:
            await registry.stop()
            await bus.close()
