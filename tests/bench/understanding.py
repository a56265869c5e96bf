"""CPU time to interpret one utterance with the repository's skills, and with many more beside them.

    PYTHONPATH=tests .venv/bin/python -m bench.understanding

Process time instead of wall time, so that other work on the machine counts little. "exact" are sentences that a
template accounts for, "wildcard" those where one takes words nobody knows, "slip" sentences with a word misheard,
"speech" what nobody registered means. The learning rows tell how long a catalogue takes to build from nothing and
with all but one skill known, and the longest stretch that the building thread keeps another one waiting.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import yaml

from bench.results import machine, percentile, table, write
from earshot_nlu.understanding.catalogue import CatalogueBuilder
from earshot_nlu.understanding.interpreter import Interpreter
from earshot_nlu.understanding.model import SkillWords
from support.understanding import (
    LANGUAGES,
    LOCALES,
    assistant_words,
    real_skill,
    real_skills,
    skill_words,
    utterance,
)

_GOLDEN = Path(__file__).parents[1] / "nlu" / "golden"
_ROUNDS = 10
_MANY = (0, 100, 400)
_PATTERNS = (
    "turn {0} on",
    "what's the {0} of the {1}",
    "set {0} to {{n}}",
    "start the {0} {1}",
    "is the {1} {0}",
    "tell me about {0}",
    "how many {0} are there in the {1}",
    "(please|kindly) {0} [the] {{item}}",
)


def invented(number: int, words: list[str], random_: random.Random) -> SkillWords:
    """Return a skill of eight sentences of made-up words, as many real ones would stand beside ours."""
    intents = "\n".join(
        f'  do_{index}: {{data: [{{sentences: ["{pattern.format(*random_.sample(words, 2))}"]}}]}}'
        for index, pattern in enumerate(_PATTERNS)
    )
    items = ", ".join(random_.sample(words, 40))
    lists = f"  n: {{range: {{from: 0, to: 100}}}}\n  item: {{values: [{items}]}}"
    return skill_words(f"invented{number}", "en-US", f"intents:\n{intents}\nlists:\n{lists}\n")


def groups(locale: str, interpreter: Interpreter) -> dict[str, list[str]]:
    """Return the golden sentences by how they are understood."""
    found: dict[str, list[str]] = {"exact": [], "wildcard": [], "slip": [], "speech": []}
    for row in yaml.safe_load((_GOLDEN / f"{locale}.yaml").read_text("utf-8")):
        hypotheses = interpreter.interpret(utterance(row["say"], locale=locale)).hypotheses
        kind = "speech"
        if hypotheses:
            exact = "exact" if hypotheses[0].confidence > 0.99 else "wildcard"
            kind = "slip" if hypotheses[0].recognizer == "fuzzy" else exact
        found[kind].append(row["say"])
    return found


def cost_ms(interpreter: Interpreter, says: list[str], locale: str) -> list[float]:
    """Return the CPU time of each of many interpretations."""
    values: list[float] = []
    for _ in range(_ROUNDS):
        for say in says:
            said = utterance(say, locale=locale)
            started = time.process_time()
            interpreter.interpret(said)
            values.append((time.process_time() - started) * 1e3)
    return values


def longest_wait_ms(builder: CatalogueBuilder, words: list[SkillWords]) -> tuple[float, float]:
    """Return how long a build on a thread takes, and the longest that this one had to wait meanwhile."""
    thread = threading.Thread(target=builder.build, args=(words, 1))
    started = last = time.monotonic()
    longest = 0.0
    thread.start()
    while thread.is_alive():
        time.sleep(0)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    thread.join()
    return (time.monotonic() - started) * 1e3, longest * 1e3


def main() -> None:
    """Measure, print, and write build/results/bench-nlu.json."""
    LANGUAGES.warm()
    random_ = random.Random(1)
    made_up = [
        "".join(random_.choice("bdfgklmnprstv") + random_.choice("aeiou") for _ in range(3)) for _ in range(3000)
    ]
    ours = [words for name in real_skills() for words in real_skill(name)] + assistant_words()
    rows: list[tuple[object, ...]] = []
    figures: dict[str, float | int | None] = {}
    for count in _MANY:
        interpreter = Interpreter(LANGUAGES)
        others = [invented(number, made_up, random_) for number in range(count)]
        interpreter.use(CatalogueBuilder(LANGUAGES).build(ours + others, 1))
        for locale in LOCALES:
            for kind, says in groups(locale, interpreter).items():
                values = cost_ms(interpreter, says, locale)
                p50, p95 = percentile(values, 0.5), percentile(values, 0.95)
                rows.append((locale, len(real_skills()) + count, kind, len(says), f"{p50:.2f}", f"{p95:.2f}"))
                figures |= {f"{locale[:2]}_{kind}_{count}_p50_ms": p50, f"{locale[:2]}_{kind}_{count}_p95_ms": p95}
    print(machine())
    print(table(("locale", "skills", "kind", "sentences", "p50 ms", "p95 ms"), rows))
    builder = CatalogueBuilder(LANGUAGES)
    whole, wait = longest_wait_ms(builder, ours)
    one_more, wait_more = longest_wait_ms(builder, [*ours, invented(0, made_up, random_)])
    print(
        table(
            ("learning", "ms", "longest wait ms"),
            [("all", f"{whole:.0f}", f"{wait:.1f}"), ("one more", f"{one_more:.0f}", f"{wait_more:.1f}")],
        )
    )
    figures |= {"learn_all_ms": whole, "learn_one_ms": one_more, "longest_wait_ms": max(wait, wait_more)}
    print(write("bench-nlu", figures))


if __name__ == "__main__":
    main()
