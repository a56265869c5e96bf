"""The understanding suites of ../shared/data/nlu as examples; nothing here knows what is in them but their format."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from earshot_nlu.understanding.language import Language
from earshot_nlu.understanding.statistical.examples import Example, Filled
from support.data import data_folder

_MARKED = re.compile(r"\[\s*([^\]:]+?)\s*:\s*([^\]]*?)\s*\]")


@dataclass(frozen=True, slots=True)
class Annotated:
    """One utterance as it is written, with its intent and its slots as [start, end) of it."""

    text: str
    intent: str
    slots: tuple[tuple[int, int, str], ...] = ()


def folder() -> Path | None:
    """Return where the suites are; None where there are none."""
    data = data_folder()
    return data / "nlu" if data and (data / "nlu").is_dir() else None


def lines(path: str) -> list[str]:
    """Return the lines of a suite's file."""
    with gzip.open(_there() / path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def _there() -> Path:
    found = folder()
    if found is None:
        raise FileNotFoundError("the optional data folder (set EARSHOT_DATA)")
    return found


def snips(name: str) -> list[Annotated]:
    """Return Snips 2017: "train" (300 an intent) or "validate" (100 an intent)."""
    return [
        Annotated(row["text"], row["intent"], tuple((start, end, slot) for start, end, slot in row["slots"]))
        for row in map(json.loads, lines(f"snips2017/{name}.jsonl.gz"))
    ]


def snips_draw(rows: list[Annotated], an_intent: int, seed: int) -> list[Annotated]:
    """Return so many utterances of each intent, drawn at random."""
    random_ = random.Random(seed)
    by_intent: dict[str, list[Annotated]] = {}
    for row in rows:
        by_intent.setdefault(row.intent, []).append(row)
    return [row for intent in sorted(by_intent) for row in random_.sample(by_intent[intent], an_intent)]


def clinc(name: str) -> list[Annotated]:
    """Return a split of CLINC150; out of scope has no intent."""
    with gzip.open(_there() / "clinc150/data_full.json.gz", "rt", encoding="utf-8") as file:
        document: dict[str, list[list[str]]] = json.load(file)
    return [Annotated(text, "" if intent == "oos" else intent) for text, intent in document[name]]


def hwu(name: str) -> list[Annotated]:
    """Return a split of HWU64."""
    rows = (line.split("\t") for line in lines(f"hwu64/{name}.tsv.gz"))
    return [Annotated(text, intent) for intent, text in rows]


def ha_tests(language: str) -> list[dict[str, Any]]:
    """Return the sentence tests in a language."""
    return [json.loads(line) for line in lines(f"ha_intents/tests_{language}.jsonl.gz")]


def example(row: Annotated, language: Language) -> Example:
    """Return an utterance as the model learns it: normalised, its slots where they are then."""
    tracked = language.normalise(row.text)
    slots = []
    for start, end, name in row.slots:
        inside = [
            at
            for at, (first, last) in enumerate(zip(tracked.starts, tracked.ends, strict=True))
            if first < end and last > start and not tracked.text[at].isspace()
        ]
        if inside:
            slots.append(Filled(name, inside[0], inside[-1] + 1))
    return Example(text=tracked.text, intent=row.intent, slots=tuple(slots))


def ha_sentences(language: str) -> str:
    """Return the suite's sentences in a language with the names of the tests' home in their lists, as a skill's file."""
    document: dict[str, Any] = {"language": language, "intents": {}, "lists": {}, "expansion_rules": {}}
    for file in sorted((ha_folder() / language).glob("*.yaml")):
        _merge(document, yaml.safe_load(file.read_text("utf-8")))
    home: dict[str, Any] = yaml.safe_load((_there() / f"ha_intents/fixtures_{language}.yaml").read_text("utf-8"))
    document["lists"] |= {
        "name": {"values": [_named(entity) for entity in home["entities"]]},
        "area": {"values": [{"in": area["name"], "out": area["name"]} for area in home["areas"]]},
        "floor": {"values": [{"in": floor["name"], "out": floor["name"]} for floor in home.get("floors", ())]},
    }
    return json.dumps(document, ensure_ascii=False)


def ha_folder() -> Path:
    """Return where the templates are: the folder "sentences" of the project whose tests these are, at their version."""
    return Path(os.environ.get("EARSHOT_HA_SENTENCES", "none"))


def _merge(document: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(document.get(key), dict):
            _merge(document[key], value)
        elif isinstance(value, list) and isinstance(document.get(key), list):
            document[key] += value
        else:
            document[key] = value


def _named(entity: dict[str, Any]) -> dict[str, Any]:
    attributes = {key: value for key, value in entity.get("attributes", {}).items() if isinstance(value, str)}
    return {
        "in": entity["name"],
        "out": entity["name"],
        "context": {"domain": entity["id"].partition(".")[0], **attributes},
    }
