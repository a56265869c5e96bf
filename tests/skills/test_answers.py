"""What handlers answer with: responses, and every directive on the wire."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from earshot_skillkit import (
    Answer,
    BrokenResponseError,
    BrokenSkillError,
    ChangeVolume,
    Host,
    MediaItem,
    MemoryScheduler,
    MemoryStates,
    MemoryWords,
    Pause,
    Play,
    PlayBehavior,
    Prompt,
    Resume,
    Schedules,
    SetVolume,
    Skill,
    Speak,
    Stop,
    intent,
    load_folder,
    wire,
)
from earshot_skillkit.package import SkillPackage
from earshot_skillkit.skill import handlers_of
from support.toy_skill import Toy, write_toy


@pytest.fixture
def package(tmp_path: Path) -> SkillPackage:
    """Load the toy's folder."""
    return load_folder(write_toy(tmp_path / "toy"), version="1.0.0")


@pytest.fixture
def host() -> Host:
    """Lend states in memory."""
    return Host(
        states=MemoryStates(), schedules=Schedules(MemoryScheduler(lambda: None)), words=MemoryWords(), now=lambda: None
    )  # type: ignore[arg-type, return-value]


def test_a_response_needs_all_its_values(package: SkillPackage) -> None:
    """A missing value, an unknown key and an empty text are errors, never spoken."""
    responses = package.words["en-US"].responses
    with pytest.raises(BrokenResponseError, match="name"):
        responses.render("hello", {})
    with pytest.raises(BrokenResponseError, match="nothing"):
        responses.render("nothing", {})


def test_filters_finish_a_sentence(tmp_path: Path) -> None:
    """A full stop is added once, a capital at the start."""
    folder = write_toy(tmp_path / "toy")
    for locale in ("en-US", "zh-CN"):
        with (folder / "responses" / f"{locale}.yaml").open("a", encoding="utf-8") as file:
            file.write("time: \"{{ (day ~ ', ' ~ time) | sentence_case | full_stop }}\"\n")
    responses = load_folder(folder, version="1.0.0").words["en-US"].responses
    assert responses.render("time", {"day": "friday", "time": "9 p.m."}) == "Friday, 9 p.m."
    assert responses.render("time", {"day": "friday", "time": "noon"}) == "Friday, noon."


def test_every_directive_has_its_message() -> None:
    """Each kind of directive arrives as its own command, in order, with an id of its own."""
    item = MediaItem(
        item_id="i1",
        url="http://host/a.flac",
        media_type="audio/flac",
        title="A",
        artist="B",
        start=timedelta(seconds=3),
        duration=timedelta(minutes=2),
    )
    answer = Answer(
        prompts=(Prompt(text="Playing A.", locale="en-US", key="toy.play"),),
        directives=(
            Speak(),
            Play(items=(item,), behavior=PlayBehavior.ENQUEUE),
            Pause(),
            Resume(),
            Stop(),
            SetVolume(percent=30),
            ChangeVolume(delta_percent=-10),
        ),
    )
    message = wire.response(answer, "T.0").answer
    commands = [directive.WhichOneof("command") for directive in message.directives]
    assert commands == ["speak", "play", "pause", "resume", "stop", "set_volume", "set_volume"]
    assert [directive.directive_id for directive in message.directives] == [f"T.0.{index}" for index in range(7)]
    assert message.directives[0].speak.text == "Playing A."
    played = message.directives[1].play.items[0]
    assert (played.item_id, played.title, played.artist) == ("i1", "A", "B")
    assert played.start_offset.seconds == 3
    assert played.duration.seconds == 120
    assert message.directives[5].set_volume.volume_percent == 30
    assert message.directives[6].set_volume.delta_percent == -10


def test_a_volume_is_a_percentage() -> None:
    """A volume outside of 0 to 100 can't be made."""
    with pytest.raises(ValueError, match="per cent"):
        SetVolume(percent=101)


def test_every_intent_has_one_handler(package: SkillPackage, host: Host) -> None:
    """All intents of the manifest are handled; one method may handle several."""
    assert set(handlers_of(Toy(host), package.manifest)) == set(package.manifest.intents)


def test_code_and_manifest_must_fit(package: SkillPackage, host: Host) -> None:
    """A handler too few, too many, or twice is an error at start."""

    class Missing(Skill):
        @intent("greet")
        async def greet(self, request):
            return request.act(Stop())

    class Unknown(Toy):
        @intent("dance")
        async def dance(self, request):
            return request.act(Stop())

    class Twice(Toy):
        @intent("halt", "greet")
        async def again(self, request):
            return request.act(Stop())

    for kind, words in ((Missing, "nothing handles"), (Unknown, "dance"), (Twice, "two methods")):
        with pytest.raises(BrokenSkillError, match=words):
            handlers_of(kind(host), package.manifest)
