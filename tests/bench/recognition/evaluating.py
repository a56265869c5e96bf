"""Hears the sets one after the other and counts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import soundfile
import yaml

from bench.recognition.clips import Clip, Recordings, Samples, mixed, to_pcm
from bench.recognition.coffee import INTENT, coffee_document
from bench.recognition.halving import Chosen, chosen
from bench.recognition.listening import Cost, Listener, listener
from bench.recognition.saying import Half, Saying, commands, other
from bench.recognition.scoring import Share, same_meaning, same_words
from bench.recognition.skills import coffee, documents, registered
from earshot_asr.engines.base import Recognition
from earshot_nlu.understanding.interpreter import Interpreter
from support.understanding import SkillWords, meaning, taught, utterance

SNRS_DB = (6, 9, 12, 15, 18, 21, 24)
MEAN_FROM_DB = 9
LIVE = 16
"""Clips that are heard at the pace of speech, for what it costs."""
ENGLISH, MANDARIN = "en-US", "zh-CN"

T = TypeVar("T")


class Evaluation:
    """Figures of one half of the sets; `shares` holds them by name."""

    def __init__(
        self,
        half: Half,
        recordings: Recordings | None,
        *,
        most: int | None = None,
        every_noise: bool = False,
        tell: Callable[[str], None] = print,
    ) -> None:
        """Make an evaluation.

        Args:
            half: Which half.
            recordings: None: only what is synthesised is heard.
            most: At most so many clips of a set, drawn at random, always the same.
            every_noise: Whether commands are heard at every level of noise, and not each at two of them.
            tell: Told every figure and every mistake.
        """
        self._half = half
        self._most = most
        self._every_noise = every_noise
        self._recordings = recordings
        self._tell = tell
        self._skills = registered()
        self._coffee = [coffee(coffee_document(recordings.grammar))] if recordings else []
        self.cost: Cost | None = None
        self.cost_with_interims: Cost | None = None
        self.shares: dict[str, Share] = {}

    async def english(self) -> None:
        """Hear English."""
        words = [*self._skills, *self._coffee]
        said, nonsense = self._some(commands(ENGLISH, self._half)), self._some(other(ENGLISH, self._half))
        async with listener(_only(words, ENGLISH)) as ears:
            await self._said("en_synth_exact", ears, said, ENGLISH)
            self._accepted("false_accept_synth", await ears.hear([one.pcm() for one in nonsense], ENGLISH), nonsense)
            if self._recordings is None:
                await self._live(ears, [one.pcm() for one in said[:LIVE]])
                return
            half = self._chosen(self._recordings)
            await self._live(ears, [to_pcm(clip.samples()) for clip in half.commands[:LIVE]])
            await self._commands(ears, half.commands, self._recordings, taught(words))
            heard = await ears.hear([to_pcm(clip.samples()) for clip in half.other], ENGLISH)
            others = self._accepted("false_accept_other", heard, half.other)
        async with listener(_only(self._skills, ENGLISH)) as ears:
            heard = await ears.hear([to_pcm(clip.samples()) for clip in half.commands], ENGLISH)
            coffees = self._accepted("false_accept_s2i", heard, half.commands)
        self._count("false_accept", [*others, *coffees])

    async def _live(self, ears: Listener, clips: Sequence[bytes]) -> None:
        self.cost = await ears.live(clips, ENGLISH, interims=False)
        self.cost_with_interims = await ears.live(clips, ENGLISH, interims=True)

    async def mandarin(self, model: Path | None) -> None:
        """Hear Mandarin with CMU's model, if there is one, and with what the product brings along."""
        said = self._some(commands(MANDARIN, self._half))
        nonsense = self._some(other(MANDARIN, self._half))
        clips = self._recordings.mandarin if self._recordings else ()
        if model is not None:
            sentences = documents(self._skills)[MANDARIN]
            own = (_sentences([clip.transcript for clip in clips]),) if clips else ()
            async with listener({MANDARIN: (*sentences, *own)}, mandarin_model=model) as ears:
                heard = await ears.hear([to_pcm(clip.samples()) for clip in clips], MANDARIN)
            exact = [same_words(best(one), clip.transcript) for one, clip in zip(heard, clips, strict=True)]
            self._count("zh_clips_exact", exact)
            async with listener({MANDARIN: sentences}, mandarin_model=model) as ears:
                await self._said("zh_synth_exact", ears, said, MANDARIN)
                await self._for_nobody("zh_false_accept", ears, nonsense, clips)
        async with listener(_only(self._skills, MANDARIN)) as ears:
            await self._said("zh_builtin_synth_exact", ears, said, MANDARIN)
            await self._for_nobody("zh_builtin_false_accept", ears, nonsense, clips)

    async def _for_nobody(self, name: str, ears: Listener, said: Sequence[Saying], clips: Sequence[Clip]) -> None:
        """Hear Mandarin that no skill understands: synthesised sentences, and recordings without their own sentences."""
        pcm = [*(one.pcm() for one in said), *(to_pcm(clip.samples()) for clip in clips)]
        self._accepted(name, await ears.hear(pcm, MANDARIN), [*said, *clips])

    async def _said(self, name: str, ears: Listener, said: Sequence[Saying], locale: str) -> None:
        heard = await ears.hear([one.pcm() for one in said], locale)
        exact = [same_words(best(one), wanted.text) for one, wanted in zip(heard, said, strict=True)]
        for right, one, wanted in zip(exact, heard, said, strict=True):
            if not right:
                self._tell(f"    {wanted.text} ({wanted.voice}): {best(one) or one.rejection}")
        self._count(name, exact)

    async def _commands(
        self, ears: Listener, clips: Sequence[Clip], recordings: Recordings, interpreter: Interpreter
    ) -> None:
        noise: Samples = soundfile.read(recordings.noise, dtype="float32")[0]
        in_noise: list[bool] = []
        for snr in (None, *SNRS_DB):
            here = clips if snr is None else self._in_noise(clips, snr)
            heard = await ears.hear([_pcm(clip, noise, snr) for clip in here], ENGLISH)
            right = [understood(interpreter, one, clip.slots) for one, clip in zip(heard, here, strict=True)]
            condition = "clean" if snr is None else f"{snr}db"
            self._count(f"s2i_{condition}", right)
            self._count(f"s2i_rejected_{condition}", [not one.alternatives for one in heard])
            if snr is not None and snr >= MEAN_FROM_DB:
                in_noise += right
        self._count("s2i_noise_mean", in_noise)

    def _in_noise(self, clips: Sequence[Clip], snr: int) -> list[Clip]:
        """Return the clips that are heard at a level of noise: all of them, or each at two of the levels."""
        if self._every_noise:
            return list(clips)
        place, levels = SNRS_DB.index(snr), len(SNRS_DB)
        return [clip for number, clip in enumerate(clips) if place in {number % levels, (number + 3) % levels}]

    def _accepted(self, name: str, heard: Sequence[Recognition], what: Sequence[Clip | Saying]) -> list[bool]:
        accepted = [bool(one.alternatives) for one in heard]
        for one, source in zip(heard, what, strict=True):
            if one.alternatives:
                said = source.text if isinstance(source, Saying) else source.name
                self._tell(f"    {said}: {best(one)} ({one.alternatives[0].confidence:.2f})")
        self._count(name, accepted)
        return accepted

    def _count(self, name: str, outcomes: Iterable[bool]) -> None:
        self.shares[name] = Share.of(outcomes)
        self._tell(f"{name}: {self.shares[name]}")

    def _chosen(self, recordings: Recordings) -> Chosen:
        half = chosen(recordings, self._half)
        return Chosen(commands=self._some(half.commands), other=self._some(half.other))

    def _some(self, everything: Sequence[T]) -> list[T]:
        if self._most is None or self._most >= len(everything):
            return list(everything)
        return random.Random(1).sample(list(everything), self._most)


def best(heard: Recognition) -> str:
    """Return the best transcript; empty when rejected."""
    return heard.alternatives[0].transcript if heard.alternatives else ""


def understood(interpreter: Interpreter, heard: Recognition, slots: dict[str, str]) -> bool:
    """Whether a command came through: not rejected, and our NLU makes the right intent and slots of its readings."""
    if not heard.alternatives:
        return False
    readings = [(one.transcript, one.confidence) for one in heard.alternatives]
    hypotheses = interpreter.interpret(utterance(*readings)).hypotheses
    return same_meaning(*meaning(hypotheses[0] if hypotheses else None), INTENT, slots)


def _pcm(clip: Clip, noise: Samples, snr_db: int | None) -> bytes:
    samples = clip.samples()
    if snr_db is None:
        return to_pcm(samples)
    seed = int.from_bytes(clip.name.encode()[-12:-6], "big") + snr_db
    return to_pcm(mixed(samples, noise, snr_db, seed))


def _only(words: Iterable[SkillWords], locale: str) -> dict[str, tuple[str, ...]]:
    return {locale: documents(list(words))[locale]}


def _sentences(texts: Sequence[str]) -> str:
    intents = {f"clip{number}": {"data": [{"sentences": [text]}]} for number, text in enumerate(texts)}
    return yaml.safe_dump({"language": "zh-CN", "intents": intents}, allow_unicode=True)
