"""What virtual users say, drawn from a seed; and what a right answer is, sentence by sentence as the voice gets it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import yaml

from chaos.checker import Words
from chaos.codewords import DIGEST_PLACE, LOCALES
from chaos.records import Expectation, Guarantee
from chaos.speaking import Line
from chaos.utterances import utterance
from earshot_tts.text.spans import spans

_UNKNOWN: Final = "effect_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Something to talk about.

    Attributes:
        name: What people call it.
        said: Locale → words, with `{digest}` in them.
        answer: Locale → the right answer, with `{digest}` where it is said.
        effect: Whether an outside server is to see the digest.
        guarantee: What its skill promises of that.
        weight: How often it is talked about.
    """

    name: str
    said: Mapping[str, str]
    answer: Mapping[str, str]
    effect: bool = False
    guarantee: Guarantee = Guarantee.EXACTLY_ONCE
    weight: int = 1


ECHO: Final = Subject(
    name="echo",
    said={"en-US": f"echo {DIGEST_PLACE}", "zh-CN": f"回声{DIGEST_PLACE}"},
    answer={
        "en-US": f"I heard {DIGEST_PLACE}. Nothing else was said.",
        "zh-CN": f"我听到的是{DIGEST_PLACE}。别的没有听到。",
    },
    weight=3,
)
LIST: Final = Subject(
    name="list",
    said={"en-US": f"add {DIGEST_PLACE} to the list", "zh-CN": f"把{DIGEST_PLACE}加到清单"},
    answer={"en-US": f"Added {DIGEST_PLACE} to the list.", "zh-CN": f"已把{DIGEST_PLACE}加到清单。"},
    effect=True,
)
LAMP: Final = Subject(
    name="lamp",
    said={"en-US": f"toggle the lamp for {DIGEST_PLACE}", "zh-CN": f"为{DIGEST_PLACE}开关灯"},
    answer={"en-US": f"The lamp was toggled for {DIGEST_PLACE}.", "zh-CN": f"已为{DIGEST_PLACE}开关了灯。"},
    effect=True,
    guarantee=Guarantee.AT_MOST_ONCE,
)
COUNTER: Final = Subject(
    name="counter",
    said={"en-US": f"count {DIGEST_PLACE}", "zh-CN": f"数一下{DIGEST_PLACE}"},
    answer={"en-US": f"Counted {DIGEST_PLACE}.", "zh-CN": f"数了{DIGEST_PLACE}。"},
    effect=True,
    guarantee=Guarantee.AT_LEAST_ONCE,
)
SUBJECTS: Final = (ECHO, LIST, LAMP, COUNTER)


def lines(
    seed: str,
    locale: str,
    *,
    subjects: tuple[Subject, ...] = SUBJECTS,
    utterance_s: tuple[float, float] = (1.0, 2.0),
    pause_s: tuple[float, float] = (0.3, 1.5),
) -> Iterator[Line]:
    """Yield what one user says, without end.

    Args:
        seed: Decides all of it.
        locale: Of the user.
        subjects: What there is to talk about.
        utterance_s: Shortest and longest utterance.
        pause_s: Shortest and longest pause after a turn.
    """
    chance = random.Random(f"{seed}")
    weights = [subject.weight for subject in subjects]
    while True:
        subject = chance.choices(subjects, weights)[0]
        yield line(
            subject,
            locale,
            seconds=chance.uniform(*utterance_s),
            seed=chance.getrandbits(32),
            pause_s=chance.uniform(*pause_s),
        )


def line(subject: Subject, locale: str, *, seconds: float, seed: int, pause_s: float, by: str = "") -> Line:
    """Return one thing to say."""
    said = subject.said[locale]
    spoken = utterance(said, locale, seconds=seconds, seed=seed, by=by)
    before, _, after = said.partition(DIGEST_PLACE)
    digest = spoken.transcript.removeprefix(before).removesuffix(after)
    answer = subject.answer[locale].replace(DIGEST_PLACE, digest)
    return Line(
        said=said,
        utterance=spoken,
        expected=Expectation(
            answer=as_spoken(answer, locale),
            effect=f"{subject.name} {digest}" if subject.effect else "",
            guarantee=subject.guarantee,
        ),
        pause_s=pause_s,
    )


def as_spoken(text: str, locale: str) -> tuple[str, ...]:
    """Return the sentences of a text as the voice gets them."""
    return tuple(span.text for span in spans(text, locale, locales=LOCALES))


def words() -> Words:
    """Return how the assistant apologises, in every locale."""
    apologies, unknown = [], []
    for locale in LOCALES:
        prompts: dict[str, Any] = _prompts(locale)
        for key, text in prompts["apology"].items():
            apologies.append(as_spoken(text, locale))
            if key == _UNKNOWN:
                unknown.append(apologies[-1])
        apologies.append(as_spoken(prompts["interrupted_answer"], locale))
    return Words(apologies=apologies, unknown=unknown)


def _prompts(locale: str) -> dict[str, Any]:
    text = files("earshot_dialogue").joinpath("prompts", f"{locale}.yaml").read_text("utf-8")
    prompts: dict[str, Any] = yaml.safe_load(text)["prompts"]
    return prompts
