"""Compiles one skill's sentences in one locale.

Each sentence becomes a unit of its own, so that an utterance is matched against the few that it may be. A slot that
the skill declares as a number, duration or date is bound to a list that is made for each utterance: the stretches of it
that read as such a value. It takes the place of a wildcard, which lets "{city} {date}" stand side by side as two
wildcards can't, and stands beside a list that the skill gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from hassil.expression import Alternative, Expression, Group, ListReference, RuleReference, Sentence
from hassil.intents import IntentData, Intents, RangeSlotList, SlotList, TextSlotList
from hassil.parser import ParseError

from earshot_nlu.understanding.errors import MalformedSentencesError
from earshot_nlu.understanding.language import Language
from earshot_nlu.understanding.model import IntentName, SkillWords, SlotKind
from earshot_nlu.understanding.templates.source import load

_MAX_DEPTH = 24
_READ_KINDS = (SlotKind.NUMBER, SlotKind.DURATION, SlotKind.DATE_TIME)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unit:
    """One sentence template.

    Attributes:
        skill: Whose it is.
        intent: "<skill>.<intent>".
        data: As hassil matches it; holds this sentence alone.
        clauses: The sentence can only match a text that holds one fragment of each.
        kinds: Kinds of value whose stretches have to be found before it can match.
        slot_kinds: What its slots are read as.
    """

    skill: CompiledSkill
    intent: IntentName
    data: IntentData
    clauses: frozenset[frozenset[str]]
    kinds: frozenset[SlotKind]
    slot_kinds: Mapping[str, SlotKind]

    @property
    def sentence(self) -> Sentence:
        """The parsed template."""
        return self.data.sentences[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompiledSkill:
    """One skill version's sentences in one locale.

    Attributes:
        version: As registered.
        lists, rules, skip_words: Those of its file.
        units: Its sentences.
        problems: Sentences that were left out, and why.
    """

    version: str
    lists: Mapping[str, SlotList]
    rules: Mapping[str, Sentence]
    skip_words: tuple[str, ...]
    units: list[Unit] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def bound_list(kind: SlotKind) -> str:
    """Return the name of the list that holds an utterance's values of a kind."""
    return f"earshot {kind.value}"


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
    kinds = _kinds_by_slot(words.slot_kinds)
    skill = CompiledSkill(
        version=words.version,
        lists=intents.slot_lists,
        rules=intents.expansion_rules,
        skip_words=tuple(word for word in intents.skip_words if word),
    )
    for rule in intents.expansion_rules.values():
        _bind(rule.expression, intents.slot_lists, kinds)
    for name, intent in intents.intents.items():
        for data in intent.data:
            _compile_block(skill, words, name, data, kinds)
    return skill


def _compile_block(
    skill: CompiledSkill, words: SkillWords, name: str, data: IntentData, kinds: Mapping[str, SlotKind]
) -> None:
    rules = {**skill.rules, **data.expansion_rules}
    lists = {**skill.lists, **data.slot_lists}
    for rule in data.expansion_rules.values():
        _bind(rule.expression, lists, kinds)
    for text in data.sentence_texts:
        try:
            single = replace(data, sentence_texts=[text], slot_lists=lists, expansion_rules=rules)
            (sentence,) = single.sentences
            _bind(sentence.expression, lists, kinds)
            references = list(_references(sentence.expression, rules))
            _check_lists(references, lists)
        except (AssertionError, ParseError, MalformedSentencesError, RecursionError, ValueError) as error:
            skill.problems.append(f"{words.skill_id}.{name} {text!r}: {error}")
            continue
        skill.units.append(
            Unit(
                skill=skill,
                intent=IntentName(f"{words.skill_id}.{name}"),
                data=single,
                clauses=sentence.get_required_clauses(rules),
                kinds=frozenset(_BOUND[item.list_name] for item in references if item.list_name in _BOUND),
                slot_kinds=words.slot_kinds.get(name, {}),
            )
        )


_BOUND: dict[str, SlotKind] = {bound_list(kind): kind for kind in _READ_KINDS}


def _kinds_by_slot(slot_kinds: Mapping[str, Mapping[str, SlotKind]]) -> dict[str, SlotKind]:
    return {slot: kind for slots in slot_kinds.values() for slot, kind in slots.items() if kind is not SlotKind.TEXT}


def _bind(expression: Expression, lists: Mapping[str, SlotList], kinds: Mapping[str, SlotKind]) -> None:
    """Let slots of values also be filled from the lists that each utterance makes."""
    if not isinstance(expression, Group):
        return
    for position, item in enumerate(expression.items):
        if not isinstance(item, ListReference):
            _bind(item, lists, kinds)
            continue
        kind = kinds.get(item.slot_name) or _by_name(item.list_name)
        known = lists.get(item.list_name)
        if kind is None or item.is_inline_range or isinstance(known, RangeSlotList):
            continue
        bound = replace(item, list_name=f"{bound_list(kind)}:{item.slot_name}")
        if isinstance(known, TextSlotList):
            expression.items[position] = Alternative(items=[item, bound])
        else:
            expression.items[position] = bound


def _by_name(list_name: str) -> SlotKind | None:
    return next((kind for kind in _READ_KINDS if kind.value == list_name), None)


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


def _check_lists(references: list[ListReference], lists: Mapping[str, SlotList]) -> None:
    """Raise a MalformedSentencesError for a list that does not exist."""
    for item in references:
        if item.list_name not in lists and item.list_name not in _BOUND and not item.is_inline_range:
            raise MalformedSentencesError(f"no list {item.list_name!r}")
