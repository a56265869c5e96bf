"""Which words fill which slot: a conditional random field for each intent that has slots.

A word is described by itself and its neighbours, its parts, its sound, what values it reads as (numbers, durations,
times), the lists that it stands in, and where it lies in the encoder's space, so that names nobody listed are taken for
what they are like. In Mandarin a word is a character.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earshot_nlu.understanding.language import Language, Token
from earshot_nlu.understanding.model import SlotKind
from earshot_nlu.understanding.statistical.encoder import Encoder
from earshot_nlu.understanding.statistical.examples import Example, Filled
from earshot_nlu.understanding.statistical.exchange import exchanged
from earshot_nlu.understanding.statistical.places import places

_OUTSIDE = "O"
_ROUNDS = 40
_KINDS = (SlotKind.NUMBER, SlotKind.DURATION, SlotKind.DATE_TIME)
_LONGEST_VALUE = 8
# A word of a list goes unmarked this often in training, so that the model does not rely on lists alone.
_UNMARKED = 0.3
_DIRECTIONS = 24
_OFFSETS = (-2, -1, 0, 1, 2)
# Words whose descriptions are kept, about 10 kB each.
_MOST_SEEN = 4096
# So many examples are made of all intents together where there are fewer, and as many of each at most.
_ENOUGH = 6000
_MOST_OF_ONE = 250

Features = dict[str, float]
Lists = Mapping[str, tuple[str, ...]]


class Describer:
    """Describes the words of a text.

    Args:
        language: Its language.
        encoder: Where words lie.
        directions: The directions of the encoder's space that tell the training's words apart.
        middle: Their middle.
        lists: Values by the name of the list that holds them, normalised.
    """

    def __init__(
        self,
        *,
        language: Language,
        encoder: Encoder,
        directions: NDArray[np.float32],
        middle: NDArray[np.float32],
        lists: Lists,
    ) -> None:
        self.language = language
        self.directions = directions
        self.middle = middle
        self.lists = lists
        self._encoder = encoder
        self._seen: dict[str, dict[int, Features]] = {}

    @classmethod
    def of(cls, texts: Iterable[str], lists: Lists, language: Language, encoder: Encoder) -> Describer:
        """Return what describes the words of such texts."""
        words = sorted({token.text for text in texts for token in language.tokens(text)})
        vectors = encoder.encode(words)
        if not vectors.size:
            return cls(
                language=language, encoder=encoder, lists=lists,
                directions=np.zeros((0, 0), np.float32), middle=np.zeros(0, np.float32),
            )  # fmt: skip
        middle = vectors.mean(axis=0)
        _, spread, directions = np.linalg.svd(vectors - middle, full_matrices=False)
        kept = min(_DIRECTIONS, len(spread))
        scaled = directions[:kept].T / (spread[:kept] / np.sqrt(len(words)) + 1e-6)
        # The sign of a direction is an accident of the machine.
        scaled *= np.sign(scaled[np.abs(scaled).argmax(axis=0), np.arange(kept)])
        return cls(language=language, encoder=encoder, lists=lists, directions=scaled.astype(np.float32), middle=middle)

    def describe(self, text: str, tokens: Sequence[Token], random_: Random | None = None) -> list[Features]:
        """Return the features of each word; with a random, as for training: some are left unmarked."""
        words = [token.text for token in tokens]
        marks = self._marks(text, tokens, random_)
        self._see(tokens)
        seen = [self._seen[word] for word in words]
        described: list[Features] = []
        last = len(words) - 1
        for at in range(len(words)):
            features = _beside(words, at)
            for offset in _OFFSETS:
                if 0 <= at + offset <= last:
                    features.update(seen[at + offset][offset])
                    for mark in marks[at + offset]:
                        features[f"{offset}{mark}"] = 1.0
            described.append(features)
        return described

    def _see(self, tokens: Sequence[Token]) -> None:
        """Describe words by themselves, as they are seen from each place beside them; once each."""
        missing = {token.text: token for token in tokens if token.text not in self._seen}
        if not missing:
            return
        if len(self._seen) > _MOST_SEEN:
            self._seen.clear()
            missing = {token.text: token for token in tokens}
        places = self._where(sorted(missing))
        for word, token in missing.items():
            own = self._own(token)
            self._seen[word] = {
                offset: {f"{offset}{feature}": 1.0 for feature in (own if abs(offset) < 2 else own[:1])}
                | ({f"{offset}{name}": value for name, value in places[word].items()} if abs(offset) < 2 else {})
                for offset in _OFFSETS
            }

    def _own(self, token: Token) -> list[str]:
        word = token.text
        features = [f"={word}", f"~{token.sound}", f"#{_form(word)}"]
        if not self.language.ignores_spaces:
            features += [f"^{word[:2]}", f"^{word[:3]}", f"${word[-2:]}", f"${word[-3:]}"]
        return features

    @cached_property
    def _by_value(self) -> dict[str, list[str]]:
        """The lists that hold each value; made when the first text is described, which is never where nothing has slots."""
        names: dict[str, list[str]] = defaultdict(list)
        for name, values in (*places(self.language).items(), *self.lists.items()):
            for value in values:
                names[value].append(name)
        return names

    def _marks(self, text: str, tokens: Sequence[Token], random_: Random | None) -> list[list[str]]:
        """Return for each word the values and lists that it begins or goes on to be in."""
        marks: list[dict[str, None]] = [{} for _ in tokens]
        starts = {token.start: at for at, token in enumerate(tokens)}
        ends = {token.end: at for at, token in enumerate(tokens)}
        for kind in _KINDS:
            spans = sorted(self.language.values.find(text, kind), key=lambda span: (span.start, -span.end))
            reached = -1
            for span in spans:
                if span.start < reached or span.start not in starts or span.end not in ends:
                    continue
                reached = span.end
                _mark(marks, starts[span.start], ends[span.end], kind.value)
        for first in range(len(tokens)):
            for last in range(first, min(len(tokens), first + _LONGEST_VALUE)):
                run = text[tokens[first].start : tokens[last].end]
                for name in self._by_value.get(run, ()):
                    if random_ is None or random_.random() >= _UNMARKED:
                        _mark(marks, first, last, name)
        return [list(mark) for mark in marks]

    def _where(self, words: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return where words lie in the encoder's space."""
        if not self.directions.size:
            return {word: {} for word in words}
        vectors = (self._encoder.encode(words) - self.middle) @ self.directions
        return {
            word: {f"@{index}": float(value) * 0.5 for index, value in enumerate(vector)}
            for word, vector in zip(words, vectors, strict=True)
        }


def _beside(words: Sequence[str], at: int) -> Features:
    """Return where a word stands and between what."""
    before, word, after = words[at - 1] if at else "<", words[at], words[at + 1] if at + 1 < len(words) else ">"
    features = {"bias": 1.0, "first" if at == 0 else "later": 1.0, f"-1,0={before} {word}": 1.0}
    features |= {f"0,1={word} {after}": 1.0, f"-1,1={before} {after}": 1.0}
    if at + 1 == len(words):
        features["last"] = 1.0
    if at > 1:
        features[f"-2,-1={words[at - 2]} {before}"] = 1.0
    if at + 2 < len(words):
        features[f"1,2={after} {words[at + 2]}"] = 1.0
    return features


def _mark(marks: Sequence[dict[str, None]], first: int, last: int, name: str) -> None:
    marks[first][f"B {name}"] = None
    for at in range(first + 1, last + 1):
        marks[at][f"I {name}"] = None


def _form(word: str) -> str:
    if word.isdigit():
        return f"{len(word)}d"
    letters = "".join("d" if char.isdigit() else "a" if char.isalpha() else char for char in word)
    return letters if "d" in letters else "a"


class SlotModel:
    """Fills the slots of texts whose intent is known.

    Args:
        describer: Describes words.
        fields: The trained field of each intent that has slots, as crfsuite writes it.
    """

    def __init__(self, describer: Describer, fields: Mapping[str, bytes]) -> None:
        self.describer = describer
        self.fields = fields
        self._taggers: dict[str, Any] = {}

    def fill(self, text: str, intent: str) -> tuple[Filled, ...]:
        """Return the stretches of a normalised text that fill slots."""
        written = self.fields.get(intent)
        tokens = self.describer.language.tokens(text)
        if written is None or not tokens:
            return ()
        tagger = self._taggers.get(intent)
        if tagger is None:
            import pycrfsuite  # noqa: PLC0415 - loaded where it is used

            tagger = pycrfsuite.Tagger()
            tagger.open_inmemory(written)
            self._taggers[intent] = tagger
        labels = tagger.tag(self.describer.describe(text, tokens))
        return tuple(_stretches(tokens, labels))


def train_slots(examples: Sequence[Example], lists: Lists, language: Language, encoder: Encoder) -> SlotModel:
    """Return the model of annotated examples.

    Args:
        examples: All of them; those of intents without slots are not looked at.
        lists: Values by the name of their list, normalised.
        language: Their language.
        encoder: Where words lie.
    """
    slotted = {one.intent for one in examples if one.slots and one.intent}
    describer = Describer.of(
        (one.text for one in examples if one.intent in slotted),
        lists,
        language,
        encoder,
    )
    groups: dict[str, list[Example]] = {intent: [] for intent in sorted(slotted)}
    for one in (*examples, *exchanged(examples, min(_MOST_OF_ONE, _ENOUGH // max(1, len(slotted))))):
        if one.intent in groups:
            groups[one.intent].append(one)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "field"
        return SlotModel(describer, {intent: _field(group, describer, path) for intent, group in groups.items()})


def _field(examples: Sequence[Example], describer: Describer, path: Path) -> bytes:
    import pycrfsuite  # noqa: PLC0415 - only training loads it

    class Quiet(pycrfsuite.Trainer):  # type: ignore[misc]
        """Does not read its own log, which takes a fifth of the time."""

        def _before_train(self) -> None:
            pass

        def message(self, message: str) -> None:
            """Say nothing."""

    trainer = Quiet(algorithm="lbfgs", verbose=False)
    trainer.set_params({"c1": 0.05, "c2": 0.05, "max_iterations": _ROUNDS, "feature.possible_transitions": True})
    random_ = Random(0)  # noqa: S311 - chooses what is marked, the same every time
    for one in sorted(examples, key=lambda one: one.text):
        tokens = describer.language.tokens(one.text)
        if tokens:
            trainer.append(describer.describe(one.text, tokens, random_), _labels(tokens, one.slots))
    trainer.train(str(path))
    return path.read_bytes()


def _labels(tokens: Sequence[Token], slots: Sequence[Filled]) -> list[str]:
    labels = [_OUTSIDE] * len(tokens)
    for slot in slots:
        begun = False
        for at, token in enumerate(tokens):
            if token.start < slot.end and token.end > slot.start:
                labels[at] = f"{'I' if begun else 'B'}-{slot.name}"
                begun = True
    return labels


def _stretches(tokens: Sequence[Token], labels: Sequence[str]) -> Iterable[Filled]:
    first = 0
    for at in range(len(labels) + 1):
        ends = (
            at == len(labels) or labels[at] == _OUTSIDE or labels[at][0] == "B" or labels[at][2:] != labels[first][2:]
        )
        if at and ends and labels[first] != _OUTSIDE:
            yield Filled(labels[first][2:], tokens[first].start, tokens[at - 1].end)
        if ends:
            first = at
