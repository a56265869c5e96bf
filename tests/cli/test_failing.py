"""How the command ends when it can't do what was asked: one sentence, never a traceback."""

import asyncio
import json
import os
import re
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from earshot_audio import write_wav
from earshot_cli import app as application
from earshot_local.home import Running
from earshot_tracestore.model import Batch, TurnFact

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def fail(monkeypatch, capsys):
    """Run a command as the shell does; return its exit code, stdout and stderr."""

    def invoke(*arguments):
        monkeypatch.setattr(sys, "argv", ["earshot", *arguments])
        with pytest.raises(SystemExit) as ended:
            application.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return invoke


@pytest.mark.parametrize(
    "arguments", [("turns",), ("trace", "x"), ("ask", "x"), ("device", "say", "x"), ("device", "mic")]
)
def test_without_a_running_stack_every_command_says_how_to_start_one(fail, arguments):
    """One sentence on stderr that names the remedy, exit code 1, nothing on stdout."""
    code, out, err = fail(*arguments)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "earshot up" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", "--device", "a.b", "x"),
        ("device", "say", "--device", "a.b", "x"),
        ("device", "wait", "--household", "x y*"),
        ("turns", "--device", "a.b"),
        ("parked", "list", "--household", "a.b"),
    ],
)
def test_an_id_that_can_not_be_one_is_told_with_its_option(fail, arguments):
    """One sentence names the option, what was given and what an id is made of, before anything is asked."""
    option = next(one for one in arguments if one.startswith("--"))
    given = arguments[arguments.index(option) + 1]
    code, out, err = fail(*arguments)
    assert (code, out) == (1, "")
    assert err == f"earshot: {option} {given!r}: an id has 1 to 64 letters, digits, - and _\n"


@pytest.mark.parametrize("arguments", [("--cluster", "3"), ("--scale", "asr=2")])
def test_a_demonstration_on_another_stack_than_asked_for_is_refused(home, fail, arguments):
    """Where a stack runs already, its replicas and nodes are what they are."""
    home.write_state(Running(pid=os.getpid(), nats_url="", traces_url="", otlp_endpoint="", grpc={}, http={}))
    code, _, err = fail("demo", "--once", *arguments)
    assert code == 1
    assert "a stack runs already" in err


def test_with_json_the_error_is_a_document(fail):
    """A program reads the error's code."""
    code, out, _ = fail("turns", "--json")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "not_running"


def test_a_stack_that_died_is_not_taken_for_a_running_one(home, fail):
    """A state file whose process is gone means that nothing runs."""
    home.write_state(Running(pid=2**22 + 1, nats_url="", traces_url="", otlp_endpoint="", grpc={}, http={}))
    assert "no stack is running" in fail("turns")[2]


def test_a_part_that_does_not_answer_is_named(home, fail):
    """Trace store and dialogue, each by its name."""
    nowhere = "http://127.0.0.1:9"
    home.write_state(
        Running(
            pid=os.getpid(),
            nats_url="",
            traces_url=nowhere,
            otlp_endpoint="",
            grpc={"dialogue": "127.0.0.1:9"},
            http={},
        )
    )
    assert "trace store" in fail("turns")[2]
    assert "dialogue can't be reached" in fail("ask", "x")[2]
    assert "the running stack has no tts" in fail("device", "say", "x")[2]


@pytest.mark.usefixtures("running")
def test_an_apology_is_shown_and_no_success(fail):
    """A script can tell that what it asked for was not done."""
    code, out, _ = fail("ask", "be sorry")
    assert code == 1
    assert "apologised" in out


@pytest.mark.parametrize(
    ("text", "words"), [("refuse", "dialogue refused: text_too_long"), ("fail", "dialogue failed")]
)
@pytest.mark.usefixtures("running")
def test_what_a_service_refuses_is_one_sentence(fail, text, words):
    """A status of gRPC becomes a sentence with the service's name."""
    code, _, err = fail("ask", text)
    assert code == 1
    assert words in err
    assert "Traceback" not in err


@pytest.mark.usefixtures("running")
def test_of_several_turns_each_is_told(fail, store):
    """A part of an id that several have lists them with time and device; one that is too short is refused."""
    turns = [
        TurnFact(turn_id=f"0199aaaa-{device}", household_id="home", device_id=device, started_ns=10**18)
        for device in ("kitchen", "attic")
    ]
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(store.add(Batch(facts=turns)))
    code, out, err = fail("trace", "0199aaaa", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (1, "ambiguous_turn")
    assert re.search(r"0199aaaa-kitchen  \d\d-\d\d \d\d:\d\d:\d\d  home/kitchen", err)
    assert "home/attic" in err
    code, out, _ = fail("trace", "itchen"[1:], "--json")
    assert (code, json.loads(out)["error"]["code"]) == (1, "fragment_too_short")


def test_a_recording_without_speech_or_sound_is_refused_at_once(fail, tmp_path):
    """A file that is no audio, and one without a sample, are told with their codes before any turn begins."""
    (tmp_path / "note.wav").write_text("no audio")
    write_wav(np.zeros(0, np.int16), 16_000, tmp_path / "empty.wav")
    for name, wanted in (("note.wav", "unreadable_audio"), ("empty.wav", "empty_utterance")):
        code, out, _ = fail("device", "play", str(tmp_path / name), "--json")
        assert (code, json.loads(out)["error"]["code"]) == (1, wanted)


@pytest.mark.usefixtures("running")
def test_an_unknown_turn_is_said_to_be(fail):
    """The turn is named."""
    assert "nobody" in fail("trace", "nobody")[2]


@pytest.mark.parametrize(
    "arguments", [("nope",), ("turns", "--limit", "0"), ("ask",), ("device", "play", "/no/such.wav")]
)
def test_a_usage_error_exits_with_2(fail, arguments):
    """An unknown command, an impossible option, a missing argument, a file that is not there."""
    code, _, err = fail(*arguments)
    assert code == 2
    assert "Usage" in err


def test_a_recording_of_turns_is_of_all_and_of_lines(running, fail):
    """`turns --begun` refuses what would make another thing of it."""
    assert running
    for option in (("--at", "10:32"), ("--json",)):
        assert fail("turns", "--begun", *option)[0] == 1


@pytest.mark.parametrize("scale", ["asr", "nobody=1", "asr=99"])
def test_an_impossible_scale_starts_nothing(fail, scale):
    """`up` says what is wrong before it starts anything."""
    code, _, err = fail("up", "--scale", scale)
    assert code == 1
    assert err.count("\n") == 1


def test_a_defect_is_told_without_a_traceback(fail, monkeypatch):
    """What nobody foresaw is one sentence too, which says how to see more."""

    def broken():
        raise KeyError("surprise")

    monkeypatch.setattr("earshot_cli.commands.turns.running_stack", broken)
    _, _, err = fail("turns")
    assert "EARSHOT_DEBUG" in err
    assert "Traceback" not in err


def test_completion_is_offered():
    """The shell's completion script can be printed."""
    result = CliRunner().invoke(application.app, ["--help"])
    assert "--install-completion" in result.output
