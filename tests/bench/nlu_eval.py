"""How well ordinary sentences are understood: our own pipeline on public suites, each trained on the suite's own split.

    make eval-nlu

The suites are read from the optional data folder; without it only the repository's skills are measured, with
paraphrases that no template has and speech that is for nobody. Nothing here knows a suite: utterances become examples,
the same `train` that the service uses makes a model of them, and what it says is compared. Speech of everyday is not
added for suites, because they are about much of it.

    snips_slot_f1_70    mean over the (intent, slot) pairs of F1, 70 utterances an intent, mean of some draws, exact spans
    clinc_inscope       right intent and sure enough to be acted on, of the in-scope test utterances
    clinc_oos_recall    not sure enough, of those out of scope
    hwu64_valid         right intent, trained on all; hwu64_10shot: on ten an intent
    ha_en_intent        right intent by templates and model; ha_zh_exact: right intent and slots, of 232
    own_*_intent        paraphrases with the right intent that are acted on; own_*_refused: speech that is not
    ms_per_utterance    CPU time of the model, one utterance at a time, slots included; own_ms: of the whole interpreter
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from bench import nlu_suites as suites
from bench.results import machine, percentile, table, write
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import Hypothesis
from earshot_nlu.understanding.ranking import ACTED_ON
from earshot_nlu.understanding.statistical.examples import Example
from earshot_nlu.understanding.statistical.model import Reading, StatisticalModel, train
from support.understanding import (
    ENGLISH,
    LANGUAGES,
    LOCALES,
    assistant_words,
    built,
    encoder,
    real_skill,
    real_skills,
    skill_words,
    utterance,
    with_models,
)

_DATA = Path(__file__).parent / "data"
_AIMS = {
    "snips_slot_f1_70": 0.76,
    "clinc_inscope": 0.94,
    "clinc_oos_recall": 0.60,
    "hwu64_valid": 0.90,
    "hwu64_10shot": 0.83,
    "ha_en_intent": 0.97,
    "ha_zh_exact": 1.0,
    "ms_per_utterance": 5.0,
}
_SHOTS = 70


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    right: int
    of: int

    @property
    def value(self) -> float:
        """The share."""
        return self.right / self.of if self.of else float("nan")

    def interval(self, z: float = 1.96) -> tuple[float, float]:
        """Return Wilson's 95 % interval."""
        if not self.of:
            return float("nan"), float("nan")
        middle = (self.value + z * z / (2 * self.of)) / (1 + z * z / self.of)
        half = z / (1 + z * z / self.of) * math.sqrt(self.value * (1 - self.value) / self.of + (z / (2 * self.of)) ** 2)
        return middle - half, middle + half


def share(outcomes: Iterable[bool]) -> Share:
    """Return how many of some outcomes are true."""
    all_ = list(outcomes)
    return Share(sum(all_), len(all_))


class Report:
    """Figures with their counts, printed as they come."""

    def __init__(self) -> None:
        self.figures: dict[str, float | int | None] = {}
        self._rows: list[tuple[object, ...]] = []

    def share(self, name: str, found: Share) -> None:
        """Note a share."""
        low, high = found.interval()
        self.figures |= {name: found.value, f"{name}_low": low, f"{name}_high": high, f"{name}_n": found.of}
        self._row(name, f"{found.value:.3f}", f"{low:.3f} - {high:.3f}", f"{found.right}/{found.of}")

    def number(self, name: str, value: float, about: str = "") -> None:
        """Note a number."""
        self.figures[name] = value
        self._row(name, f"{value:.3f}", "", about)

    def print(self) -> None:
        """Print all of it."""
        print(table(("figure", "value", "95 % (Wilson)", "of", "aim"), self._rows))

    def _row(self, name: str, value: str, interval: str, about: str) -> None:
        print(f"  {name} {value} {interval} {about}", file=sys.stderr, flush=True)
        self._rows.append((name, value, interval, about, _AIMS.get(name, "")))


def examples(rows: Iterable[suites.Annotated]) -> list[Example]:
    """Return utterances as a model takes them."""
    return [suites.example(row, ENGLISH) for row in rows]


def trained(rows: Sequence[Example], report: Report, name: str) -> StatisticalModel:
    """Return the model of a split, noting how long that took."""
    started = time.process_time()
    model = train(rows, {}, ENGLISH, encoder())
    assert model is not None
    report.number(f"{name}_train_s", time.process_time() - started, f"CPU, {len(rows)} utterances")
    return model


def snips(report: Report, draws: int) -> None:
    """Measure slots."""
    validate = examples(suites.snips("validate"))
    rows = suites.snips("train")
    scores: list[float] = []
    costs: list[float] = []
    for seed in range(draws):
        model = trained(examples(suites.snips_draw(rows, _SHOTS, seed)), report, "snips")
        readings: list[Reading] = []
        for one in validate:
            started = time.process_time()
            readings += model.read([one.text])
            costs.append((time.process_time() - started) * 1e3)
        scores.append(slot_f1(validate, readings))
    report.number(
        "snips_slot_f1_70", sum(scores) / len(scores), f"{draws} draws, {min(scores):.3f} - {max(scores):.3f}"
    )
    report.number("ms_per_utterance", sum(costs) / len(costs), f"p95 {percentile(costs, 0.95):.1f}")


def slot_f1(meant: Sequence[Example], readings: Sequence[Reading]) -> float:
    """Return the mean F1 of the (intent, slot) pairs that occur; a slot of the wrong intent is wrong."""
    both: Counter[tuple[str, str]] = Counter()
    told: Counter[tuple[str, str]] = Counter()
    said: Counter[tuple[str, str]] = Counter()
    for one, reading in zip(meant, readings, strict=True):
        wanted = {(one.intent, slot) for slot in one.slots}
        found = {(reading.intent, slot) for slot in reading.slots}
        both.update((intent, slot.name) for intent, slot in wanted & found)
        told.update((intent, slot.name) for intent, slot in found)
        said.update((intent, slot.name) for intent, slot in wanted)
    return sum(2 * both[pair] / (told[pair] + said[pair]) for pair in said) / len(said)


def clinc(report: Report) -> None:
    """Measure intents and what is none."""
    model = trained(examples(suites.clinc("train") + suites.clinc("oos_train")), report, "clinc")
    inside, outside = examples(suites.clinc("test")), examples(suites.clinc("oos_test"))
    found = model.read([one.text for one in inside])
    right = [reading.intent == one.intent for reading, one in zip(found, inside, strict=True)]
    sure = [reading.confidence >= ACTED_ON for reading in found]
    report.share("clinc_inscope", share(both for both in map(all, zip(right, sure, strict=True))))
    report.share("clinc_closed", share(right))
    refused = (reading.confidence < ACTED_ON for reading in model.read([one.text for one in outside]))
    report.share("clinc_oos_recall", share(refused))


def hwu(report: Report) -> None:
    """Measure intents with many and with few examples, and whether confidence means what it says."""
    valid = examples(suites.hwu("valid"))
    for name, split in (("hwu64_valid", "train"), ("hwu64_10shot", "train_10"), ("hwu64_5shot", "train_5")):
        model = trained(examples(suites.hwu(split)), report, name)
        found = model.read([one.text for one in valid])
        right = [reading.intent == one.intent for reading, one in zip(found, valid, strict=True)]
        report.share(name, share(right))
        report.number(f"{name}_ece", calibration_error([reading.confidence for reading in found], right), "ten bins")


def calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Return how far confidence is from the share that is right, on average over ten bins."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for confidence, outcome in zip(confidences, right, strict=True):
        bins.setdefault(min(9, int(confidence * 10)), []).append((confidence, outcome))
    return sum(
        abs(sum(confidence for confidence, _ in group) - sum(outcome for _, outcome in group))
        for group in bins.values()
    ) / len(right)


def house(report: Report) -> None:
    """Measure a whole home's sentences in both languages, templates first."""
    if not suites.ha_folder().is_dir():
        print("house: EARSHOT_HA_SENTENCES names no folder with the templates that these tests were written for")
        return
    for language, locale in (("en", "en-US"), ("zh-cn", "zh-CN")):
        words = skill_words("ha", locale, suites.ha_sentences(language))
        catalogue = built([words])
        interpreter = Interpreter(LANGUAGES)
        interpreter.use(with_models(catalogue))
        intents: list[bool] = []
        exact: list[bool] = []
        for row in suites.ha_tests(language):
            context = {key: value for key, value in (row["context"] or {}).items() if isinstance(value, str)}
            said = replace(utterance(row["text"], locale=locale), context=context)
            hypotheses = interpreter.interpret(said).hypotheses
            best = hypotheses[0] if hypotheses else None
            intents.append(best is not None and best.intent == f"ha.{row['intent']}")
            exact.append(intents[-1] and best is not None and _as_meant(best, row["slots"]))
        report.share(f"ha_{language[:2]}_intent", share(intents))
        report.share(f"ha_{language[:2]}_exact", share(exact))


def _as_meant(found: Hypothesis, wanted: dict[str, object]) -> bool:
    slots = {slot.name: slot.value for slot in found.slots}
    return slots.keys() == wanted.keys() and all(_same(slots[name], wanted[name]) for name in slots)


def _same(value: object, wanted: object) -> bool:
    if isinstance(wanted, list):
        return any(_same(value, one) for one in wanted)
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        try:
            return float(str(value)) == float(wanted)
        except ValueError:
            return False
    return str(value).strip().casefold() == str(wanted).strip().casefold()


def own(report: Report) -> None:
    """Measure the repository's skills with sentences that no template has."""
    interpreter = Interpreter(LANGUAGES)
    started = time.process_time()
    interpreter.use(with_models(built([one for name in real_skills() for one in real_skill(name)] + assistant_words())))
    report.number("own_train_s", time.process_time() - started, "CPU, both locales, templates included")
    costs: list[float] = []
    for locale in LOCALES:
        understood: list[bool] = []
        refused: list[bool] = []
        for row in yaml.safe_load((_DATA / f"paraphrases_{locale}.yaml").read_text("utf-8")):
            began = time.process_time()
            hypotheses = interpreter.interpret(utterance(row["say"], locale=locale)).hypotheses
            costs.append((time.process_time() - began) * 1e3)
            best = hypotheses[0] if hypotheses and hypotheses[0].confidence >= ACTED_ON else None
            if row["intent"]:
                understood.append(best is not None and best.intent == row["intent"])
            else:
                refused.append(best is None)
        report.share(f"own_{locale[:2]}_intent", share(understood))
        report.share(f"own_{locale[:2]}_refused", share(refused))
    report.number("own_ms", sum(costs) / len(costs), f"p95 {percentile(costs, 0.95):.1f}")


def published(folder: Path) -> None:
    """Print what others have published on these suites."""
    for name in (
        "snips2017_summary",
        "clinc150_larson2019_table2",
        "fewshot_intent_leaderboard",
        "floor_tfidf_svc",
    ):
        with (folder / "tables" / f"{name}.csv").open(encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        print(f"\nPublished: {name}")
        print(table(header, rows))


def main() -> None:
    """Measure, print, and write build/results/nlu.json."""
    parser = argparse.ArgumentParser(description="Evaluate understanding.")
    parser.add_argument("--only", help="one of own, snips, clinc, hwu, house")
    parser.add_argument("--draws", type=int, default=3, help="random draws of 70 an intent")
    arguments = parser.parse_args()
    report = Report()
    folder = suites.folder()
    parts: dict[str, Callable[[], None]] = {"own": lambda: own(report)}
    if folder is None:
        print(
            "no shared/data/nlu beside the checkout (set EARSHOT_DATA): only the repository's own skills are measured"
        )
    else:
        parts |= {
            "snips": lambda: snips(report, arguments.draws),
            "clinc": lambda: clinc(report),
            "hwu": lambda: hwu(report),
            "house": lambda: house(report),
        }
    for name, part in parts.items():
        if arguments.only in {None, name}:
            part()
    if folder is not None:
        published(folder)
    print(f"\n{machine()}")
    report.print()
    print(write("nlu", report.figures))


if __name__ == "__main__":
    main()
