"""The commands that size a fleet, with figures that were kept."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from earshot_cli.app import app
from earshot_cli.capacity.assumptions import meanings
from earshot_cli.capacity.figures import read
from earshot_cli.errors import BadArgumentError, NotFoundError

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "tests" / "scaling" / "figures.json"
FLEET = ("capacity", "--devices", "17300000", "--turns-per-day", "12", "--peak", "4", "--figures", str(FIGURES))


def test_a_fleet_is_sized_with_every_assumption_named():
    """The table has pods of each service, NATS nodes, what breaks first, and every assumption by its name."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, FLEET)
    assert result.exit_code == 0, result.output
    for word in (*meanings(), "asr", "scheduler", "skills (4)", "NATS nodes", "breaks first"):
        assert word in result.output


def test_every_option_has_a_default():
    """The command alone sizes a fleet."""
    result = CliRunner().invoke(app, ["capacity", "--json", "--figures", str(FIGURES)])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["fleet"]["devices"] == 100_000


def test_the_document_follows_what_is_assumed():
    """Pods of asr halve on a machine that is twice as fast, if CPU decides; the document holds figures and assumptions."""
    documents = []
    for more in ((), ("--assume", "machine=2", "--assume", "spare_pods=0.000001")):
        result = CliRunner().invoke(app, [*FLEET, "--json", "--cells", "1", "--assume", "asr_target=100", *more])
        assert result.exit_code == 0, result.output
        documents.append(json.loads(result.stdout))
    plain, fast = documents
    assert plain["services"][0]["peak"] == pytest.approx(2 * fast["services"][0]["peak"], rel=0.01)
    assert fast["assumptions"]["machine"] == 2
    assert plain["figures"] == json.loads(FIGURES.read_text())
    assert plain["fleet"]["peak_turns_per_s"] == pytest.approx(9_611, rel=0.001)
    assert plain["bus"]["nodes"] == plain["bus"]["cells"] * plain["bus"]["nodes_per_cell"]


def test_pods_are_no_fewer_than_keda_asks_for():
    """Of asr and tts the larger number counts: what KEDA makes of those in hand, or what their CPU needs."""
    needs = {}
    for target in (4, 100):
        arguments = [*FLEET, "--json", "--cells", "1", "--assume", f"asr_target={target}"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        needs[target] = {each["service"]: each for each in json.loads(result.stdout)["services"]}
    # 9,611 turns a second, 1.05 tries, as long in hand as an utterance, four a pod; and one to spare.
    in_hand_s = json.loads(FIGURES.read_text())["utterance_s"]
    assert needs[4]["asr"]["peak"] == math.ceil(17.3e6 * 12 * 4 / 86_400 * 1.05 * in_hand_s / 4) + 1
    assert needs[4]["asr"]["decided_by"] == "KEDA"
    assert needs[4]["tts"]["decided_by"] == "KEDA"
    assert needs[100]["asr"]["decided_by"] == "CPU"
    assert needs[100]["asr"]["peak"] < needs[4]["asr"]["peak"]
    # What has to stand ready follows from the work, not from a cautious trigger.
    assert needs[100]["asr"]["standing"] == needs[4]["asr"]["standing"]


def test_figures_that_are_none_are_refused(tmp_path: Path):
    """No file, no JSON, a field that is missing or below nought: each with its place."""
    with pytest.raises(NotFoundError):
        read(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    document = json.loads(FIGURES.read_text())
    for text, said in (
        ("{", "no JSON document"),
        (json.dumps({**document, "turns": 0}), "turns"),
        (json.dumps({key: value for key, value in document.items() if key != "bus"}), "bus"),
        (json.dumps({**document, "colour": "red"}), "colour"),
    ):
        broken.write_text(text)
        with pytest.raises(BadArgumentError, match=said) as refused:
            read(broken)
        assert refused.value.code == "bad_figures"


@pytest.mark.timeout(180)
def test_a_burst_is_simulated_with_what_is_deployed(tmp_path: Path):
    """It holds, says what stood ready, draws the picture; twice as many do not hold, and the command exits 1."""
    drawing = tmp_path / "burst.svg"
    arguments = [
        "scaling",
        "--base",
        str(ROOT / "deploy/base"),
        "--figures",
        str(FIGURES),
        "--seeds",
        "1",
        "--no-day",
        "--no-minima",
        "--lasts",
        "60",
        "--json",
    ]
    result = CliRunner().invoke(app, [*arguments, "--plot", str(drawing)])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["holds"]
    assert [each["service"] for each in document["headroom"]] == ["asr", "nlu", "dialogue", "skill", "tts"]
    assert drawing.read_text().startswith("<svg")
    assert CliRunner().invoke(app, [*arguments, "--rate", "4"]).exit_code == 1


def test_a_recording_is_simulated_as_a_drawn_burst_is(tmp_path: Path):
    """A burst of six times as many: what it sounds like, headroom of each service, and a drawing, with no day of its own."""
    recording, drawing = tmp_path / "begun.txt", tmp_path / "recorded.svg"
    begun = [1_000.0 + 2 * second for second in range(30)] + [1_060.0 + second / 3 for second in range(180)]
    recording.write_text("\n".join(map(str, begun)))
    arguments = ["scaling", "--base", str(ROOT / "deploy/base"), "--figures", str(FIGURES), "--no-minima"]
    arguments += ["--recording", str(recording), "--seeds", "1"]
    result = CliRunner().invoke(app, [*arguments, "--plot", str(drawing), "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["holds"]
    assert document["day"] is None
    assert document["scenario"]["recorded"] == len(begun)
    assert [each["turns"] for each in document["bursts"]] == [len(begun)]
    headroom = {each["service"]: each for each in document["headroom"]}
    assert list(headroom) == ["asr", "nlu", "dialogue", "skill", "tts"]
    assert headroom["asr"]["needed_at_peak"] == pytest.approx(6 * headroom["asr"]["needed_before"], rel=0.05)
    assert "210 utterances, as they began (begun.txt)" in drawing.read_text()
    printed = CliRunner().invoke(app, arguments)
    assert printed.exit_code == 0, printed.output
    assert "6.0 times as many in the busiest one" in printed.output
    assert "headroom" in printed.output
    twice = json.loads(CliRunner().invoke(app, [*arguments, "--copies", "2", "--json"]).stdout)
    assert twice["scenario"]["recorded"] == 2 * len(begun)
    assert CliRunner().invoke(app, ["scaling", "--copies", "2", "--figures", str(FIGURES)]).exit_code == 1
