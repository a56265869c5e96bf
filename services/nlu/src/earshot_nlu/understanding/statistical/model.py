"""Intent, slots and how sure: one model a locale, trained from examples, never changed, told apart by its version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from earshot_nlu.understanding.language import Language
from earshot_nlu.understanding.statistical.drawing import Drawn
from earshot_nlu.understanding.statistical.encoder import Encoder, Vectors
from earshot_nlu.understanding.statistical.examples import Example, Filled, fingerprint
from earshot_nlu.understanding.statistical.grams import GramTable, grams
from earshot_nlu.understanding.statistical.intents import IntentModel, Texts, seen, train_intents
from earshot_nlu.understanding.statistical.slots import Lists, SlotModel, train_slots
from earshot_nlu.understanding.statistical.trust import Neighbours, Trust, signs, train_trust

# Changes when the same examples would give another model.
FORMAT = "6"
_MANY = 6000
# Of so many sentences one part held out tells enough; of fewer each of several is.
_ENOUGH_FOR_ONE_FOLD = 2500
_FOLDS = 3
_HELD_INTENTS = 8
_HELD_SHAPES = 4
_FEWEST_INTENTS = 2
_MOST_NEIGHBOURS = 64
_MOST_STRANGERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a text means to the model.

    Attributes:
        intent: The likeliest.
        confidence: How likely it is right, 0 to 1; below a half it is not for acting on.
        slots: Stretches of the normalised text.
    """

    intent: str
    confidence: float
    slots: tuple[Filled, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticalModel:
    """A trained model.

    Attributes:
        version: Of the examples that it was trained from.
        language: Its language.
        encoder: The encoder that it was trained with.
        intents: Chooses intents.
        words: Words of the training.
        neighbours: Its sentences.
        trust: Tells how sure a choice is.
        slots: Fills slots.
    """

    version: str
    language: Language
    encoder: Encoder
    intents: IntentModel
    words: frozenset[int]
    neighbours: Neighbours
    trust: Trust
    slots: SlotModel

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Return what each normalised text means; texts without words are not to be asked."""
        words = {token.text for text in texts for token in self.language.tokens(text)} if self.slots.fields else ()
        # The words' places are wanted for the slots: all vectors in one go cost half of what they cost one by one.
        vectors = self.encoder.encode([*texts, *sorted(words)])[: len(texts)]
        looked = seen(texts, self.intents.table, self.language, vectors)
        chosen = self.intents.scores(looked).argmax(axis=1)
        sure = self.trust.of(signs(self.intents, self.neighbours, looked, known(texts, self.words, self.language)))
        return [
            Reading(
                intent=self.intents.intents[intent],
                confidence=float(confidence),
                slots=self.slots.fill(text, self.intents.intents[intent]),
            )
            for text, intent, confidence in zip(texts, chosen, sure, strict=True)
        ]


def train(
    examples: Iterable[Example],
    lists: Lists,
    language: Language,
    encoder: Encoder,
    speech: Sequence[str] = (),
) -> StatisticalModel | None:
    """Return the model of these examples; None where there are not two intents to tell apart.

    Args:
        examples: Those without an intent are speech that is not for us.
        lists: Values by the name of their list, normalised.
        language: Their language.
        encoder: Tells meanings.
        speech: More speech that is not for us, normalised.
    """
    everything = sorted(set(examples), key=lambda one: (one.text, one.intent))
    inside = [one for one in everything if one.intent]
    if len({one.intent for one in inside}) < _FEWEST_INTENTS:
        return None
    strange = [one.text for one in everything if not one.intent]
    training = _Training([*inside, *_names(inside, language)], strange, sorted(set(speech)), language, encoder)
    fields = train_slots(inside, lists, language, encoder)
    return StatisticalModel(
        version=version(everything, lists, encoder, speech),
        language=language,
        encoder=encoder,
        intents=training.model,
        words=training.words(),
        neighbours=training.neighbours(training.model),
        trust=training.trust(),
        slots=fields,
    )


def version(examples: Iterable[Example], lists: Lists, encoder: Encoder, speech: Sequence[str]) -> str:
    """Return the version that a model of these has."""
    listed = [f"{name}={sorted(values)}" for name, values in sorted(lists.items())]
    return fingerprint(set(examples), FORMAT, encoder.name, *listed, *sorted(set(speech)))


def known(texts: Sequence[str], words: frozenset[int], language: Language) -> NDArray[np.float32]:
    """Return the share of each text's letters that are in words which the training knows."""
    shares = np.ones(len(texts), np.float32)
    for row, text in enumerate(texts):
        tokens = language.tokens(text)
        letters = sum(len(token.text) for token in tokens)
        strange = sum(len(token.text) for token in tokens if crc32(token.text.encode()) not in words)
        shares[row] = 1 - strange / letters if letters else 1.0
    return shares


def _names(inside: Sequence[Example], language: Language) -> list[Example]:
    """Return what intents are called as sentences of theirs: "timers.set_alarm" is meant by "set alarm"."""
    names = {intent: intent.rpartition(".")[2].replace("_", " ") for intent in {one.intent for one in inside}}
    return [
        Example(text=text, intent=intent, shape="what it is called")
        for intent, name in sorted(names.items())
        if (text := language.normalise(name).text)
    ]


class _Training:
    """One training: everything that is looked at more than once is made once."""

    def __init__(
        self,
        inside: Sequence[Example],
        strange: Sequence[str],
        everyday: Sequence[str],
        language: Language,
        encoder: Encoder,
    ) -> None:
        self._inside = inside
        self._strange = [*strange, *everyday]
        self._everyday = [False] * len(strange) + [True] * len(everyday)
        self._language = language
        self._texts = [one.text for one in inside]
        vectors = encoder.encode([*self._texts, *self._strange])
        self._vectors, self._strange_vectors = vectors[: len(inside)], vectors[len(inside) :]
        self._counted = [grams(text, language) for text in self._texts]
        self._table = GramTable.of(self._counted, least=2 if len(inside) > _MANY else 1)
        self._weighed = [self._table.weigh(one) for one in self._counted]
        self.model = self._fit(range(len(inside)))

    def words(self, rows: Iterable[int] | None = None) -> frozenset[int]:
        """Return the words of some sentences, or of all."""
        chosen = range(len(self._texts)) if rows is None else rows
        return frozenset(
            crc32(token.text.encode()) for row in chosen for token in self._language.tokens(self._texts[row])
        )

    def neighbours(self, model: IntentModel, rows: Iterable[int] | None = None) -> Neighbours:
        """Return the sentences that a model's choices are compared with, of one intent at most so many."""
        places = {intent: index for index, intent in enumerate(model.intents)}
        taken = dict.fromkeys(model.intents, 0)
        kept: list[int] = []
        for row in sorted(
            range(len(self._texts)) if rows is None else rows, key=lambda row: crc32(self._texts[row].encode())
        ):
            intent = self._inside[row].intent
            if taken[intent] < _MOST_NEIGHBOURS:
                taken[intent] += 1
                kept.append(row)
        return Neighbours(
            vectors=self._vectors[kept], owners=np.array([places[self._inside[row].intent] for row in kept], np.int64)
        )

    def trust(self) -> Trust:
        """Return how sure the model is, by what models do that have not seen a part of the sentences."""
        found: list[NDArray[np.float32]] = []
        right: list[bool] = []
        everyday: list[bool] = []
        for fold in range(1 if len(self._inside) > _ENOUGH_FOR_ONE_FOLD else _FOLDS):
            intents = sorted({one.intent for one in self._inside})
            held = {intent for at, intent in enumerate(intents) if at % _HELD_INTENTS == fold}
            if len(intents) - len(held) < _FEWEST_INTENTS:
                held = set()
            rows = [row for row, one in enumerate(self._inside) if one.intent not in held]
            test = [row for row in rows if _part(self._inside[row]) == fold]
            rest = [row for row in rows if _part(self._inside[row]) != fold]
            if len({self._inside[row].intent for row in rest}) < _FEWEST_INTENTS:
                continue
            model = self._fit(rest)
            neighbours, words = self.neighbours(model, rest), self.words(rest)
            places = {intent: index for index, intent in enumerate(model.intents)}
            strangers = [row for row, one in enumerate(self._inside) if one.intent in held]
            for group in (test, strangers):
                if group:
                    looked = self._seen(group)
                    chosen = model.scores(looked).argmax(axis=1)
                    found.append(
                        signs(model, neighbours, looked, known([self._texts[r] for r in group], words, self._language))
                    )
                    right += [places.get(self._inside[r].intent) == c for r, c in zip(group, chosen, strict=True)]
                    everyday += [False] * len(group)
            if self._strange:
                looked = seen(self._strange, self._table, self._language, self._strange_vectors)
                found.append(signs(model, neighbours, looked, known(self._strange, words, self._language)))
                right += [False] * len(self._strange)
                everyday += self._everyday
        return train_trust(np.concatenate(found), right, everyday) if found else Trust.none()

    def _fit(self, rows: Iterable[int]) -> IntentModel:
        chosen = list(rows)
        return train_intents(self._seen(chosen), [self._inside[row].intent for row in chosen], self._table)

    def _seen(self, rows: Sequence[int]) -> Texts:
        return Texts(
            vectors_at(self._vectors, rows),
            tuple(self._weighed[row][0] for row in rows),
            tuple(self._weighed[row][1] for row in rows),
        )


def vectors_at(vectors: Vectors, rows: Sequence[int]) -> Vectors:
    """Return some of the vectors."""
    return vectors[np.array(rows, np.int64)]


def _part(example: Example) -> int:
    return crc32((example.shape or example.text).encode()) % _HELD_SHAPES


def trained(drawn: Drawn, language: Language, encoder: Encoder) -> StatisticalModel | None:
    """Return the model of what was drawn from skills; None where there is nothing to tell apart."""
    return train(drawn.examples, drawn.lists, language, encoder, strange(language))


def strange(language: Language) -> tuple[str, ...]:
    """Return a language's everyday speech, normalised."""
    return tuple(language.normalise(sentence).text for sentence in language.speech.strange)


def version_of(drawn: Drawn, language: Language, encoder: Encoder) -> str:
    """Return the version that `trained` would give the model."""
    return version(drawn.examples, drawn.lists, encoder, strange(language))
