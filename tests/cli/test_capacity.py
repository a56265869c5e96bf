"""The commands that size a fleet, with figures that were kept."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from earshot_cli.app import app
from earshot_cli.capacity import deployed
from earshot_cli.capacity.assumptions import Assumptions, meanings
from earshot_cli.capacity.figures import read
from earshot_cli.errors import BadArgumentError, NotFoundError
from support.manifests import render, services_of

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "tests" / "scaling" / "figures.json"
# What a turn passes, in its order; of the skills one.
ON_THE_WAY = ["asr", "nlu", "dialogue", "skill-clock", "skill-music", "skill-timers", "skill-weather", "tts"]
BASE = ROOT / "deploy" / "base"
FLEET = (
    "capacity",
    "--devices",
    "17300000",
    "--turns-per-day",
    "12",
    "--peak",
    "4",
    "--figures",
    str(FIGURES),
    "--base",
    str(BASE),
)


def test_a_fleet_is_sized_with_every_assumption_named():
    """The table has pods of each service, NATS nodes, what breaks first, and every assumption by its name."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, FLEET)
    assert result.exit_code == 0, result.output
    for word in (*meanings(), "asr", "scheduler", "skill-clock", "maxReplicaCount", "NATS nodes", "breaks first"):
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
        result = CliRunner().invoke(
            app, [*FLEET, "--json", "--cells", "1", "--assume", "asr.target=100", "--assume", "asr.slots=100", *more]
        )
        assert result.exit_code == 0, result.output
        documents.append(json.loads(result.stdout))
    plain, fast = documents
    assert plain["services"][0]["peak"] == pytest.approx(2 * fast["services"][0]["peak"], rel=0.01)
    assert fast["assumptions"]["machine"] == 2
    assert plain["figures"] == json.loads(FIGURES.read_text())
    assert plain["fleet"]["peak_turns_per_s"] == pytest.approx(9_611, rel=0.001)
    assert plain["bus"]["nodes"] == plain["bus"]["cells"] * plain["bus"]["nodes_per_cell"]


def test_pods_are_no_fewer_than_keda_asks_for():
    """The larger number counts: what KEDA makes of those in hand, or what their CPU needs."""
    needs = {}
    for target in (4, 100):
        arguments = [*FLEET, "--json", "--cells", "1"]
        arguments += ["--assume", f"asr.target={target}", "--assume", "asr.slots=100"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        needs[target] = {each["service"]: each for each in json.loads(result.stdout)["services"]}
    # 9,611 turns a second, 1.05 tries, as long in hand as an utterance, four a pod; and one to spare.
    in_hand_s = json.loads(FIGURES.read_text())["utterance_s"] + Assumptions().utterance_tail_s
    assert needs[4]["asr"]["peak"] == math.ceil(17.3e6 * 12 * 4 / 86_400 * 1.05 * in_hand_s / 4) + 1
    assert needs[4]["asr"]["decided_by"] == "lag 4"
    assert needs[4]["nlu"]["decided_by"] == "cores in use"
    assert needs[4]["tts"]["decided_by"] == "cores in use"
    assert needs[4]["skill-clock"]["decided_by"] == "CPU 60% of 0.1"
    assert needs[100]["asr"]["decided_by"] == "cores in use"
    assert needs[100]["asr"]["peak"] < needs[4]["asr"]["peak"]
    # What has to stand ready follows from the work, not from a cautious trigger.
    assert needs[100]["asr"]["standing"] == needs[4]["asr"]["standing"]


def test_what_the_manifests_do_not_allow_is_marked():
    """Of a fleet in one cell: rows that are marked, and for each how many are allowed, by what, and where to raise it."""
    arguments = (*FLEET, "--cells", "1", "--assume", "tts.most=100000", "--assume", "tts.least=10000")
    printed = CliRunner(env={"COLUMNS": "250"}).invoke(app, arguments).output
    document = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    needs = {each["service"]: each for each in document["services"]}
    assert needs["asr"]["exceeds"]
    assert not needs["tts"]["exceeds"]
    source = str(BASE / "asr" / "scaledobject.yaml")
    said = f"asr needs {needs['asr']['peak']:,} pods, allowed 50 by maxReplicaCount 50; raise with maxReplicaCount: "
    assert f"! {said}{needs['asr']['peak']:,} in {source}" in printed
    (row,) = [line for line in printed.splitlines() if line.split()[:1] == ["asr"] and "lag" in line and "50 !" in line]
    assert f"{needs['asr']['peak']:,}" in row
    short = {(each["service"], each["field"]): each for each in document["shortages"]}
    assert short["asr", "maxReplicaCount"]["has"] == 50
    assert short["asr", "maxReplicaCount"]["source"] == source
    assert short["asr", "minReplicaCount"]["needed"] == needs["asr"]["standing"]
    assert not {("tts", "maxReplicaCount"), ("tts", "minReplicaCount")} & short.keys()
    assert CliRunner().invoke(app, arguments).exit_code == 0


def test_nothing_is_marked_where_the_manifests_suffice():
    """A small fleet has what it needs."""
    arguments = ["capacity", "--devices", "20000", "--figures", str(FIGURES), "--base", str(BASE)]
    assert json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)["shortages"] == []
    assert " !" not in CliRunner(env={"COLUMNS": "250"}).invoke(app, arguments).output


@pytest.mark.parametrize("overlay", ["prod", "dev"])
def test_what_is_sized_is_what_an_overlay_renders_to(overlay: str, tmp_path: Path):
    """Every trigger, request and number of replicas is the rendered one: in production that of deploy/base, without KEDA that of the HPA."""
    objects = render(f"overlays/{overlay}")
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(yaml.safe_dump_all(objects))
    found = {each.name: each for each in deployed.read(rendered)}
    base = {each.name: each for each in deployed.read(BASE)}
    assert found.keys() == base.keys() == {each["metadata"]["name"] for each in services_of(objects)}
    for name, each in base.items():
        if overlay == "prod":
            assert (found[name].scaling, found[name].pod.cores) == (each.scaling, each.pod.cores)
            assert found[name].skill == each.skill
        else:
            assert found[name].scaling.maximum_field == "maxReplicas"
            assert [trigger.type for trigger in found[name].scaling.triggers] == ["cpu"]
            assert (found[name].scaling.minimum, found[name].scaling.maximum, found[name].pod.cores) == (1, 1, 0.02)
    result = CliRunner().invoke(app, [*FLEET, "--json", "--base", str(rendered)])
    assert result.exit_code == 0, result.output
    needs = {each["service"]: each for each in json.loads(result.stdout)["services"]}
    assert needs["asr"]["exceeds"] == (overlay == "dev")
    assert all(each["modelled"] for each in needs.values())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nobody.target=1", "unknown_assumption"),
        ("asr.colour=1", "unknown_assumption"),
        ("asr.target=0", "bad_argument"),
        ("asr.target=many", "bad_argument"),
        ("asr.target", "bad_argument"),
    ],
)
def test_what_no_manifest_has_is_refused(text: str, code: str):
    """An unknown service or field, or what is no number above 0."""
    with pytest.raises(BadArgumentError) as refused:
        deployed.changed(deployed.read(BASE), [text])
    assert refused.value.code == code


def test_all_skills_are_changed_at_once():
    """`skills.target=30` is that of every skill, `asr.cores=4` the request of one service."""
    changed = {each.name: each for each in deployed.changed(deployed.read(BASE), ["skills.target=30", "asr.cores=4"])}
    assert {each.scaling.triggers[0].target for each in changed.values() if each.skill} == {0.3}
    assert changed["asr"].pod.cores == 4
    assert changed["nlu"].scaling.triggers[0].target == 4


def test_manifests_that_are_none_are_refused(tmp_path: Path):
    """No file, no autoscaler, one without its Deployment, one that scales on something else: before anything is measured."""
    empty, alone, other = (tmp_path / name for name in ("empty", "alone.yaml", "other.yaml"))
    empty.mkdir()
    alone.write_text((BASE / "asr" / "scaledobject.yaml").read_text())
    metric = {"type": "Resource", "resource": {"name": "memory", "target": {"averageUtilization": 50}}}
    spec = {"scaleTargetRef": {"name": "asr"}, "maxReplicas": 1, "metrics": [metric]}
    other.write_text(yaml.safe_dump({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "asr"}, "spec": spec}))
    for path, error in (
        (tmp_path / "none", NotFoundError),
        (empty, NotFoundError),
        (alone, BadArgumentError),
        (other, BadArgumentError),
    ):
        with pytest.raises(error):
            deployed.read(path)


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
    assert [each["service"] for each in document["headroom"]] == ON_THE_WAY
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
    assert list(headroom) == ON_THE_WAY
    assert headroom["asr"]["needed_at_peak"] == pytest.approx(6 * headroom["asr"]["needed_before"], rel=0.05)
    assert "210 utterances, as they began (begun.txt)" in drawing.read_text()
    printed = CliRunner().invoke(app, arguments)
    assert printed.exit_code == 0, printed.output
    assert "6.0 times as many in the busiest one" in printed.output
    assert "headroom" in printed.output
    twice = json.loads(CliRunner().invoke(app, [*arguments, "--copies", "2", "--json"]).stdout)
    assert twice["scenario"]["recorded"] == 2 * len(begun)
    assert CliRunner().invoke(app, ["scaling", "--copies", "2", "--figures", str(FIGURES)]).exit_code == 1
