"""What can be understood at one moment: the registered skills' sentences, compiled, for every locale.

A catalogue is never changed. A new one is built beside the old one (`CatalogueBuilder`, any thread) and takes its place
in one assignment (`Interpreter.use`), so an utterance is read by one catalogue from beginning to end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hassil.intents import Intent, IntentData, Intents, RangeSlotList
from hassil.recognize import recognize

from earshot_nlu.understanding.errors import MalformedSentencesError
from earshot_nlu.understanding.fuzzy.index import FuzzyIndex
from earshot_nlu.understanding.fuzzy.skeletons import Skeleton, skeletons
from earshot_nlu.understanding.language import Language, Languages
from earshot_nlu.understanding.model import SkillWords
from earshot_nlu.understanding.statistical.drawing import Drawn, draw
from earshot_nlu.understanding.statistical.model import StatisticalModel
from earshot_nlu.understanding.statistical.recognise import StatisticalRecognizer
from earshot_nlu.understanding.templates.compile import CompiledSkill, compile_skill
from earshot_nlu.understanding.templates.index import TemplateIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """Sentences of one locale, and what they are compared with when none matches.

    Attributes:
        templates: Matched first.
        fuzzy: What an utterance may be a slip of.
        drawn: What a statistical model learns from these sentences.
        statistical: Such a model; None before there is one.
    """

    templates: TemplateIndex
    fuzzy: FuzzyIndex
    drawn: Drawn
    statistical: StatisticalRecognizer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Grammars by locale, made from one revision of the registry.

    `problems` says what could not be compiled, one sentence each.
    """

    revision: int
    grammars: Mapping[str, Grammar]
    problems: tuple[str, ...] = ()

    def with_models(self, models: Mapping[str, StatisticalModel], languages: Languages) -> Catalogue:
        """Return the catalogue with the models of locales; one may be of a moment before."""
        grammars = {
            locale: replace(
                grammar,
                statistical=StatisticalRecognizer(
                    model=models[locale], forms=grammar.drawn.forms, language=languages.of(locale)
                ),
            )
            if locale in models
            else grammar
            for locale, grammar in self.grammars.items()
        }
        return replace(self, grammars=grammars)


EMPTY = Catalogue(revision=0, grammars={})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    words: SkillWords
    skill: CompiledSkill | None
    skeletons: tuple[Skeleton, ...]
    problems: tuple[str, ...]


class CatalogueBuilder:
    """Builds catalogues; what has not changed since the last one is taken over. One build at a time."""

    def __init__(self, languages: Languages) -> None:
        self._languages = languages
        self._built: dict[tuple[str, str, str], _Built] = {}

    def build(self, skills: Iterable[SkillWords], revision: int) -> Catalogue:
        """Return the catalogue of these skills. One that can't be read is left out, with its problem told."""
        built = [self._one(words) for words in skills if words.locale in self._languages.locales]
        self._built = {(one.words.skill_id, one.words.version, one.words.locale): one for one in built}
        by_locale: dict[str, list[_Built]] = {locale: [] for locale in self._languages.locales}
        for one in built:
            by_locale[one.words.locale].append(one)
        return Catalogue(
            revision=revision,
            grammars={locale: _grammar(group, self._languages.of(locale)) for locale, group in by_locale.items()},
            problems=tuple(problem for one in built for problem in one.problems),
        )

    def _one(self, words: SkillWords) -> _Built:
        known = self._built.get((words.skill_id, words.version, words.locale))
        if known is not None and known.words == words:
            return known
        language = self._languages.of(words.locale)
        try:
            skill = compile_skill(words, language)
            _warm(skill, language)
            sentences = skeletons(skill, language)
        except Exception as error:  # noqa: BLE001 - whatever one skill's file does, the others are learnt
            told = str(error) if isinstance(error, MalformedSentencesError) else repr(error)
            problem = f"{words.skill_id} {words.version} {words.locale}: {told}"
            return _Built(words=words, skill=None, skeletons=(), problems=(problem,))
        return _Built(words=words, skill=skill, skeletons=sentences, problems=tuple(skill.problems))


def _grammar(group: list[_Built], language: Language) -> Grammar:
    return Grammar(
        templates=TemplateIndex(unit for one in group if one.skill for unit in one.skill.units),
        fuzzy=FuzzyIndex((skeleton for one in group for skeleton in one.skeletons), language),
        drawn=draw((one.skill for one in group if one.skill), language),
    )


def _warm(skill: CompiledSkill, language: Language) -> None:
    """Make hassil write out the number words of every range now: up to a second that no utterance should wait."""
    for number_range in skill.lists.values():
        if isinstance(number_range, RangeSlotList):
            data = IntentData(sentence_texts=["{range}"], slot_lists={"range": number_range})
            recognize(
                "-", Intents(language=language.template_language, intents={"warm": Intent(name="warm", data=[data])})
            )
