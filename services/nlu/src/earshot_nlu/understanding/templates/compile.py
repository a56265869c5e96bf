"""Compiles one skill's sentences in one locale.

Each sentence becomes a unit of its own, so that an utterance is matched against the few that it may be. Lists get names
of their own, so that a block's list and the file's can share one. A slot that the skill declares as a number, duration
or date is bound to a list that is made for each utterance: the stretches of it that read as such a value. It takes the
place of a wildcard, which lets "{city} {date}" stand side by side as two wildcards can't, and stands beside a list that
the skill gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace

from hassil.expression import (
    Alternative,
    Expression,
    Group,
    ListReference,
    RuleReference,
    Sentence,
)
from hassil.intents import IntentData, Intents, RangeSlotList, SlotList, TextSlotList, WildcardSlotList
from hassil.parser import ParseError

from earshot_nlu.understanding.errors import MalformedSentencesError
from earshot_nlu.understanding.language import Language
from earshot_nlu.understanding.model import IntentName, SkillWords, SlotKind
from earshot_nlu.understanding.templates.lists import NarrowedList
from earshot_nlu.understanding.templates.shape import fragments, shape
from earshot_nlu.understanding.templates.source import load

_MAX_DEPTH = 24
_BEFORE_LETTERS = re.compile(r"\{([^}:]*)[^}]*\}[\[(]*\w")
_READ_KINDS = (SlotKind.NUMBER, SlotKind.DURATION, SlotKind.DATE_TIME)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unit:
    """One sentence template.

    Attributes:
        skill: Whose it is.
        intent: "<skill>.<intent>".
        data: As hassil matches it; holds this sentence alone.
        clauses: The sentence can only match a text that holds one fragment of each.
        shape: A pattern that the squeezed text has to fit.
        lists: Names of the lists that it may use, those of values included.
        list_clauses: It can only match where one list of each has a value.
        free: Whether a slot of it may take any words.
        slot_kinds: What its slots are read as.
    """

    skill: CompiledSkill
    intent: IntentName
    data: IntentData
    clauses: frozenset[frozenset[str]]
    shape: re.Pattern[str]
    lists: frozenset[str]
    list_clauses: frozenset[frozenset[str]]
    free: bool
    slot_kinds: Mapping[str, SlotKind]

    @property
    def sentence(self) -> Sentence:
        """The parsed template."""
        return self.data.sentences[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompiledSkill:
    """One skill version's sentences in one locale.

    Attributes:
        skill_id: Whose they are.
        version: As registered.
        skip_words: Those of its file.
        lists: By the names that its units use.
        given: For a list of values, the lists that the skill gives beside it.
        units: Its sentences.
        problems: Sentences that were left out, and why.
    """

    skill_id: str
    version: str
    skip_words: tuple[str, ...]
    lists: dict[str, SlotList | NarrowedList] = field(default_factory=dict)
    given: dict[str, set[str]] = field(default_factory=dict)
    units: list[Unit] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def bound_list(kind: SlotKind) -> str:
    """Return the name of the list that holds an utterance's values of a kind."""
    return f"earshot {kind.value}"


BOUND: Mapping[str, SlotKind] = {bound_list(kind): kind for kind in _READ_KINDS}


def compile_skill(words: SkillWords, language: Language) -> CompiledSkill:
    """Compile a skill's sentences.

    Raises:
        MalformedSentencesError: Its file as a whole can't be read.
    """
    document = load(words.sentences_yaml, language)
    try:
        intents = Intents.from_dict(document)
    except (AssertionError, AttributeError, KeyError, ParseError, TypeError, ValueError) as error:
        raise MalformedSentencesError(f"not a sentence file: {type(error).__name__}: {error}") from error
    skill = CompiledSkill(
        skill_id=words.skill_id,
        version=words.version,
        skip_words=tuple(word for word in intents.skip_words if word),
    )
    compiler = _Compiler(skill, words, intents)
    for name, intent in intents.intents.items():
        for data in intent.data:
            compiler.block(name, data)
    _narrow(skill, _inside_words(intents), language)
    return skill


class _Compiler:
    """Compiles the blocks of one file into a skill."""

    def __init__(self, skill: CompiledSkill, words: SkillWords, intents: Intents) -> None:
        self._skill = skill
        self._words = words
        self._intents = intents
        self._kinds = {
            slot: kind
            for slots in words.slot_kinds.values()
            for slot, kind in slots.items()
            if kind is not SlotKind.TEXT
        }
        self._names: dict[int, str] = {}
        self._rules = deepcopy(intents.expansion_rules)
        for rule in self._rules.values():
            self._bind(rule.expression, intents.slot_lists)

    def block(self, name: str, data: IntentData) -> None:
        """Compile one block of sentences; what is wrong with one is noted and the others are kept."""
        lists = {**self._intents.slot_lists, **data.slot_lists}
        rules = self._rules
        if data.slot_lists or data.expansion_rules:
            rules = deepcopy({**self._intents.expansion_rules, **data.expansion_rules})
            for rule in rules.values():
                self._bind(rule.expression, lists)
        for text in data.sentence_texts:
            try:
                self._sentence(name, text, data, lists, rules)
            except (AssertionError, ParseError, MalformedSentencesError, RecursionError, ValueError) as error:
                self._skill.problems.append(f"{self._words.skill_id}.{name} {text!r}: {error}")

    def _sentence(
        self, name: str, text: str, data: IntentData, lists: Mapping[str, SlotList], rules: dict[str, Sentence]
    ) -> None:
        single = replace(data, sentence_texts=[text], slot_lists={}, expansion_rules=rules)
        (sentence,) = single.sentences
        self._bind(sentence.expression, lists)
        names = {item.list_name for item in _references(sentence.expression, rules) if not item.is_inline_range}
        missing = sorted(names - self._skill.lists.keys() - BOUND.keys())
        if missing:
            raise MalformedSentencesError(f"no list {missing[0]!r}")
        self._skill.units.append(
            Unit(
                skill=self._skill,
                intent=IntentName(f"{self._words.skill_id}.{name}"),
                data=single,
                clauses=frozenset(fragments(sentence.expression, rules)),
                shape=shape(sentence.expression, rules),
                lists=frozenset(names),
                list_clauses=frozenset(_required_lists(sentence.expression, rules, self._skill.lists)),
                free=any(isinstance(self._skill.lists.get(item), WildcardSlotList) for item in names),
                slot_kinds=self._words.slot_kinds.get(name, {}),
            )
        )

    def _bind(self, expression: Expression, lists: Mapping[str, SlotList]) -> None:
        """Name an expression's lists, and let slots of values also be filled from the lists of each utterance."""
        if not isinstance(expression, Group):
            return
        for position, item in enumerate(expression.items):
            if not isinstance(item, ListReference):
                self._bind(item, lists)
            elif item.list_name not in self._skill.lists:
                expression.items[position] = self._bound(item, lists)

    def _bound(self, item: ListReference, lists: Mapping[str, SlotList]) -> Expression:
        known = lists.get(item.list_name)
        kind = self._kinds.get(item.slot_name) or _kind_named(item.list_name)
        valued = kind is not None and not item.is_inline_range and not isinstance(known, RangeSlotList)
        named = item if known is None else _renamed(item, self._name(known))
        if kind is None or not valued:
            return named
        bound = _renamed(item, bound_list(kind))
        if not isinstance(known, TextSlotList):
            return bound
        self._skill.given.setdefault(bound.list_name, set()).add(named.list_name)
        return Alternative(items=[named, bound])

    def _name(self, slot_list: SlotList) -> str:
        name = self._names.get(id(slot_list))
        if name is None:
            name = self._names[id(slot_list)] = f"{slot_list.name or 'list'} {len(self._names)}"
            self._skill.lists[name] = slot_list
        return name


def _renamed(item: ListReference, name: str) -> ListReference:
    capture = "@" if item.is_capture else ""
    return replace(item, list_name=f"{name}:{capture}{item.slot_name}")


def _kind_named(list_name: str) -> SlotKind | None:
    return next((kind for kind in _READ_KINDS if kind.value == list_name), None)


def _narrow(skill: CompiledSkill, inside_words: frozenset[str], language: Language) -> None:
    for name, slot_list in skill.lists.items():
        if isinstance(slot_list, TextSlotList):
            whole_words = language.ignores_spaces or slot_list.name not in inside_words
            skill.lists[name] = NarrowedList(slot_list, language, whole_words=whole_words)


def _inside_words(intents: Intents) -> frozenset[str]:
    """Return the lists whose values letters may follow: "{thing}s"."""
    texts = [text for intent in intents.intents.values() for data in intent.data for text in data.sentence_texts]
    texts += [rule.text or "" for rule in intents.expansion_rules.values()]
    return frozenset(match[1] for text in texts for match in _BEFORE_LETTERS.finditer(text))


def references_of(unit: Unit) -> Iterator[ListReference]:
    """Yield every list that a sentence may name."""
    return _references(unit.sentence.expression, unit.data.expansion_rules)


def _references(expression: Expression, rules: Mapping[str, Sentence], depth: int = 0) -> Iterator[ListReference]:
    """Yield every list that an expression may name.

    Raises:
        MalformedSentencesError: A rule does not exist, or holds itself.
    """
    if depth > _MAX_DEPTH:
        raise MalformedSentencesError("rules are nested too deeply")
    if isinstance(expression, ListReference):
        yield expression
    elif isinstance(expression, Group):
        for item in expression.items:
            yield from _references(item, rules, depth + 1)
    elif isinstance(expression, RuleReference):
        rule = rules.get(expression.rule_name)
        if rule is None:
            raise MalformedSentencesError(f"no rule {expression.rule_name!r}")
        yield from _references(rule.expression, rules, depth + 1)


def _required_lists(
    expression: Expression, rules: Mapping[str, Sentence], lists: Mapping[str, object]
) -> set[frozenset[str]]:
    """Return the lists without a value of which an expression can't match, as hassil returns required fragments."""
    if isinstance(expression, ListReference):
        known = lists.get(expression.list_name)
        texts = expression.list_name in BOUND or isinstance(known, TextSlotList)
        return {frozenset((expression.list_name,))} if texts else set()
    if isinstance(expression, RuleReference):
        return _required_lists(rules[expression.rule_name].expression, rules, lists)
    if isinstance(expression, Alternative):
        branches = [_required_lists(item, rules, lists) for item in expression.items]
        if expression.is_optional or not all(branches):
            return set()
        return {_union(min(branch, key=len) for branch in branches)}
    if isinstance(expression, Group):
        return {clause for item in expression.items for clause in _required_lists(item, rules, lists)}
    return set()


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset(name for one in sets for name in one)
