"""The likeliest whole sentence among all that the search had in mind.

The list of the best readings is too short for that: in noise most of its entries differ in a short word, and the sentence
that was said is often none of the first two hundred. The lattice holds all of them, as words between moments; its
paths are followed together with the graph of the sentences, so that only whole sentences arrive at the end.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from earshot_asr.vocabulary.automaton import Automaton, Step
from earshot_asr.vocabulary.places import stands_for

_FRAMES_PER_SECOND: Final = 100
_END_POINTS: Final = re.compile(r"^(start|end)=(\d+)", re.MULTILINE)
_NODE: Final = re.compile(r"^I=(\d+)\tt=([\d.]+)\tW=(\S+)", re.MULTILINE)
_LINK: Final = re.compile(r"^J=\d+\tS=(\d+)\tE=(\d+)\ta=(\S+)\tp=(\S+)", re.MULTILINE)
_SILENT: Final = "!"
"""What begins with it is no word: silence, noise, begin and end."""


class Link(NamedTuple):
    """From the node of a word to the node of the next: how the word fits the sound, and how sure the search is of it."""

    target: int
    fit: float
    posterior: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One word of a reading.

    Attributes:
        word: The word, without marks.
        start_frame: Its first.
        end_frame: Its last.
        fit: Logarithm of how well it fits the sound, relative to the best sound of each frame.
        posterior: From 0 to 1, how little else the search had in mind.
    """

    word: str
    start_frame: int
    end_frame: int
    fit: float
    posterior: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much the sentences count against the sound, as the search itself has it; logarithms.

    Attributes:
        language: Factor of the logarithm of how likely words are.
        word: Added for each word.
        filler: Added for each silence or noise.
    """

    language: float
    word: float
    filler: float

    @classmethod
    def of(cls, search: Mapping[str, float]) -> Self:
        """Return those of a decoder with some settings, otherwise the decoder's defaults."""
        language = search.get("lw", 6.5)
        word = math.log(search.get("wip", 0.65))
        return cls(language=language, word=word, filler=word + language * math.log(search.get("silprob", 0.005)))


@dataclass(frozen=True, slots=True)
class Lattice:
    """Words by the moments at which they begin.

    Attributes:
        words: By node, its word.
        frames: By node, its first frame.
        links: By node, where it leads.
        start: The node where all begins.
        end: The node where all ends.
    """

    words: dict[int, str]
    frames: dict[int, int]
    links: Mapping[int, Sequence[Link]]
    start: int
    end: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a lattice in HTK's format, as pocketsphinx writes it.

        Raises:
            KeyError: It has no start or no end.
        """
        ends = {name: int(node) for name, node in _END_POINTS.findall(text)}
        words: dict[int, str] = {}
        frames: dict[int, int] = {}
        for node, time, word in _NODE.findall(text):
            words[int(node)] = word
            frames[int(node)] = round(float(time) * _FRAMES_PER_SECOND)
        links: defaultdict[int, list[Link]] = defaultdict(list)
        for source, target, fit, posterior in _LINK.findall(text):
            links[int(source)].append(Link(int(target), float(fit), float(posterior)))
        return cls(words, frames, links, ends["start"], ends["end"])

    def order(self) -> list[int]:
        """Return the nodes by time, which every link goes forward in."""
        return sorted(self.words, key=lambda node: (self.frames[node], node != self.start, node == self.end))


class _Arrival(NamedTuple):
    """How a pair of lattice node and automaton node is best reached."""

    score: float
    source: tuple[int, int] | None
    link: Link | None


def best_sentence(lattice: Lattice, sentences: Automaton, weights: Weights) -> tuple[Spoken, ...]:
    """Return the words of the likeliest whole sentence in a lattice; none where it holds no sentence."""
    arrivals: defaultdict[int, dict[int, _Arrival]] = defaultdict(dict)
    arrivals[lattice.start][0] = _Arrival(0.0, None, None)
    for node in lattice.order():
        here = arrivals.get(node, {})
        for link in lattice.links.get(node, ()) if here else ():
            there = arrivals[link.target]
            for state, arrival in here.items():
                for step in _steps(lattice, link.target, state, sentences, weights):
                    total = arrival.score + link.fit + step.logarithm
                    known = there.get(step.target)
                    if known is None or total > known.score:
                        there[step.target] = _Arrival(total, (node, state), link)
    at_end = arrivals.get(lattice.end)
    return _trace(lattice, arrivals, max(at_end, key=lambda state: at_end[state].score)) if at_end else ()


def _steps(lattice: Lattice, node: int, state: int, sentences: Automaton, weights: Weights) -> Iterable[Step]:
    """Return where a node of the lattice leads in the sentences, and what that is worth."""
    if node == lattice.end:
        ending = sentences.endings.get(state)
        return () if ending is None else (Step(state, weights.language * ending),)
    word = lattice.words[node]
    if word.startswith(_SILENT):
        return (Step(state, weights.filler),)
    found = sentences.steps[state].get(stands_for(word), ())
    return [Step(target, weights.language * logarithm + weights.word) for target, logarithm in found]


def _trace(lattice: Lattice, arrivals: Mapping[int, Mapping[int, _Arrival]], state: int) -> tuple[Spoken, ...]:
    words: list[Spoken] = []
    place = (lattice.end, state)
    while True:
        arrival = arrivals[place[0]][place[1]]
        if arrival.source is None or arrival.link is None:
            break
        node = arrival.source[0]
        if not lattice.words[node].startswith(_SILENT):
            spoken = Spoken(
                word=lattice.words[node],
                start_frame=lattice.frames[node],
                end_frame=max(lattice.frames[node], lattice.frames[place[0]] - 1),
                fit=arrival.link.fit,
                posterior=min(1.0, arrival.link.posterior),
            )
            words.append(spoken)
        place = arrival.source
    return tuple(reversed(words))
