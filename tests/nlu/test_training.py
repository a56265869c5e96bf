"""Models are trained beside the turns, told by their sentences, kept, and put in use without a pause."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from earshot_nlu.learning import Learner
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import Recognizer, SkillWords
from earshot_nlu.understanding.statistical import storing
from earshot_nlu.understanding.statistical.encoder import NoEncoder
from earshot_nlu.understanding.statistical.examples import Example, Filled
from earshot_nlu.understanding.statistical.exchange import exchanged
from earshot_nlu.understanding.statistical.model import StatisticalModel, train, version_of
from earshot_registry import RegisteredSkill, RegistrySnapshot
from support.registered import description
from support.understanding import ENGLISH, LANGUAGES, ask, best, built, skill_words

COMMANDS = {
    "lamp.on": "switch on the {room} lamp|give me some light in the {room}|the {room} is dark",
    "lamp.off": "switch off the {room} lamp|no more light in the {room}|put out the {room} lamp",
    "door.open": "open the {room} door|let me into the {room}|the {room} door should be open",
    "door.shut": "shut the {room} door|close up the {room}|nobody may enter the {room}",
}
ROOMS = ("kitchen", "bedroom", "attic", "hall")
GREETER = """
intents:
  hello: {data: [{sentences: ["hello there [friend]", "(hi|hey) there", "a [very] warm hello [to you]", "say hello [to me]"]}]}
  bye: {data: [{sentences: ["bye [bye] now", "say bye [bye] [to me]", "farewell [my] friend", "(good|bye) bye"]}]}
  joke: {data: [{sentences: ["tell me a [good] joke", "a [funny] joke please", "make me laugh [with a joke]", "joke time"]}]}
  poem: {data: [{sentences: ["read me a [short] poem", "a [nice] poem please", "recite a poem [to me]", "poem time"]}]}
"""
PARAPHRASE = "do you know another joke"


def examples() -> list[Example]:
    """Return a few annotated utterances."""
    rows: list[Example] = []
    for intent, sentences in COMMANDS.items():
        for sentence in sentences.split("|"):
            for room in ROOMS:
                start = sentence.index("{room}")
                text = sentence.replace("{room}", room)
                rows.append(Example(text=text, intent=intent, slots=(Filled("room", start, start + len(room)),)))
    return rows


def model_of(rows: list[Example]) -> StatisticalModel:
    """Return a model of examples that knows words only."""
    model = train(rows, {}, ENGLISH, NoEncoder())
    assert model is not None
    return model


@pytest.fixture(scope="module")
def model() -> StatisticalModel:
    """Return the model of all examples; no test may change it."""
    return model_of(examples())


def test_same_sentences_give_the_same_model(model: StatisticalModel) -> None:
    """The version and every answer depend on the sentences alone, not on their order; another sentence changes both."""
    rows = examples()
    one, other = model, model_of(list(reversed(rows)))
    texts = ["please light up the attic", "shut that hall door", "something else"]
    assert one.version == other.version
    assert one.read(texts) == other.read(texts)
    assert model_of([*rows, Example(text="one more light", intent="lamp.on")]).version != one.version


def test_model_fills_slots_it_has_not_seen(model: StatisticalModel) -> None:
    """A word that stands where slots stand is one, though no example has it."""
    (reading,) = model.read(["switch on the cellar lamp"])
    assert (reading.intent, reading.slots) == ("lamp.on", (Filled("room", 14, 20),))


def test_one_intent_teaches_nothing() -> None:
    """Where there are not two intents to tell apart there is no model, and no error."""
    assert train([one for one in examples() if one.intent == "lamp.on"], {}, ENGLISH, NoEncoder()) is None
    assert train([], {}, ENGLISH, NoEncoder()) is None


def test_stored_model_answers_alike(tmp_path: Path, model: StatisticalModel) -> None:
    """A model that was written and read again means the same."""
    storing.write(model, tmp_path / "model.npz")
    again = storing.read(tmp_path / "model.npz", model.version, ENGLISH, NoEncoder())
    texts = [one.text for one in examples()]
    for before, after in zip(model.read(texts), again.read(texts), strict=True):
        assert (before.intent, before.slots) == (after.intent, after.slots)
        assert before.confidence == pytest.approx(after.confidence, abs=0.02)


def test_replicas_that_share_a_folder_do_not_meet(tmp_path: Path) -> None:
    """Two that write the same model at the same time both have it, and nothing is left of the writing."""
    model, path = model_of(examples()), tmp_path / "model.npz"
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            list(pool.map(storing.write, [model] * 4, [path] * 4))
    assert storing.read(path, model.version, ENGLISH, NoEncoder()).version == model.version
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 half of one"])
def test_file_that_is_no_model_is_refused(tmp_path: Path, model: StatisticalModel, content: bytes) -> None:
    """A file of anything else, or of another version, is told to be none."""
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    with pytest.raises(storing.UnreadableModelError):
        storing.read(path, "1", ENGLISH, NoEncoder())
    storing.write(model, path)
    with pytest.raises(storing.UnreadableModelError):
        storing.read(path, "another", ENGLISH, NoEncoder())


def test_exchanged_values_stand_where_the_slots_say() -> None:
    """Sentences made of others hold a value of the same slot where the slot is."""
    made = exchanged(examples()[:6], 30)
    assert len(made) == 30 - 6
    assert all(one.text[slot.start : slot.end] in ROOMS for one in made for slot in one.slots)


def models_in(folder: Path) -> list[Path]:
    """Return the models that are kept in a folder."""
    return sorted(folder.glob("*.npz"))


def snapshot(revision: int, *skills: list[SkillWords]) -> RegistrySnapshot:
    """Return a registry's snapshot of some skills."""
    return RegistrySnapshot(
        revision=revision, skills=tuple(RegisteredSkill(description=description(words)) for words in skills)
    )


def greeter(sentences: str = GREETER) -> list[SkillWords]:
    """Return a small skill."""
    return [skill_words("greeter", "en-US", sentences)]


@pytest.mark.timeout(240)
async def test_model_is_trained_while_turns_go_on(tmp_path: Path) -> None:
    """Templates are in use at once; turns are interpreted while the model is trained; then it is in use, and kept.

    A replica that starts with the same sentences reads it. An intent that leaves is not told by it any more.
    """
    interpreter = Interpreter(LANGUAGES)
    learner = Learner(interpreter, LANGUAGES, encoder=NoEncoder(), models=tmp_path)
    await learner.follow(snapshot(1, greeter()))
    assert best(interpreter, "joke time") is not None
    assert best(interpreter, PARAPHRASE) is None
    done = asyncio.create_task(learner.trained())
    answered = 0
    while not done.done():
        assert ask(interpreter, "joke time").hypotheses[0].confidence == 1.0
        answered += 1
        await asyncio.sleep(0.002)
    # A process starts, loads its libraries and trains: many turns pass.
    assert answered > 20
    found = best(interpreter, PARAPHRASE)
    assert found is not None
    assert (found.intent, found.recognizer) == ("greeter.joke", Recognizer.STATISTICAL)
    (kept,) = models_in(tmp_path)
    assert kept.stem == f"en-US-{version_of(built(greeter()).grammars['en-US'].drawn, ENGLISH, NoEncoder())}"

    written = kept.stat()
    replica = Interpreter(LANGUAGES)
    other = Learner(replica, LANGUAGES, encoder=NoEncoder(), models=tmp_path)
    await other.follow(snapshot(1, greeter()))
    await other.trained()
    assert best(replica, PARAPHRASE) == found
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)

    await learner.follow(snapshot(2))
    assert best(interpreter, PARAPHRASE) is None
    await learner.stop()


async def test_training_ends_when_it_is_not_wanted(tmp_path: Path) -> None:
    """Snapshots that come quickly and a stop end the training that is going on, at once, without a model."""
    interpreter = Interpreter(LANGUAGES)
    learner = Learner(interpreter, LANGUAGES, encoder=NoEncoder(), models=tmp_path)
    for revision, word in enumerate(("first", "second", "third"), start=1):
        await learner.follow(snapshot(revision, greeter(GREETER.replace("friend", word))))
    async with asyncio.timeout(30):
        await learner.stop()
    assert interpreter.revision == 3
    assert not models_in(tmp_path)


async def test_templates_go_on_where_no_model_can_be_kept(tmp_path: Path) -> None:
    """A folder that can't be written leaves templates as they are."""
    (tmp_path / "file").write_text("")
    interpreter = Interpreter(LANGUAGES)
    learner = Learner(interpreter, LANGUAGES, encoder=NoEncoder(), models=tmp_path / "file" / "models")
    await learner.follow(snapshot(1, greeter()))
    await learner.trained()
    assert best(interpreter, "hello there") is not None
    assert best(interpreter, PARAPHRASE) is None
