"""The utterances of one worker process, and what to do next for them. Knows no pipes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from earshot_asr.engines.base import Phrases
from earshot_asr.engines.pocketsphinx.decoders import Decoders
from earshot_asr.engines.pocketsphinx.decoding import begin, conclude, words_so_far
from earshot_asr.engines.pocketsphinx.noise import Loudness, with_floor
from earshot_asr.engines.pocketsphinx.orders import LoadOrder, Reading
from earshot_asr.engines.workers.frames import Frame, Kind, encode

BYTES_PER_SECOND: Final = 32_000
STEP_BYTES: Final = BYTES_PER_SECOND // 10
"""Audio that is searched at once: streams take turns, so one that is behind does not hold up the others."""
LONGEST_WHOLE_BYTES: Final = 30 * BYTES_PER_SECOND
"""Longer utterances are dictation or noise, and are not searched a second time."""
INTERIM_BYTES: Final = BYTES_PER_SECOND // 5
"""Audio between two interim results."""
PATIENCE_BYTES: Final = 10 * BYTES_PER_SECOND
"""Of a longer utterance the streaming search may give the final result, so it has to begin in time."""


class _Utterance:
    def __init__(self, decoders: Decoders, phrases: Phrases) -> None:
        self.decoders = decoders
        self.phrases = phrases
        if phrases:
            # Nobody speaks yet; what is made now does not keep anybody waiting for a result.
            decoders.prepare(phrases)
        self.live: Any = None
        self.followed = False
        self.pcm = bytearray()
        self.loudness = Loudness()
        self.searched = 0
        self.reported_at = 0
        self.reported: tuple[str, ...] = ()
        self.finishing = False
        self.paused_at: int | None = None
        self.prepared: tuple[Reading, ...] | None = None

    def add(self, pcm: bytes) -> None:
        self.pcm += pcm
        self.loudness.measure(self.pcm)

    def unsearched(self, end: int) -> bytes:
        """Return what the streaming search has not had up to an offset, with the noise floor as far as it is known."""
        return with_floor(self.pcm[self.searched : end], self.searched // 2, self.loudness.floor_dbfs)

    def decode_whole(self) -> tuple[Reading, ...]:
        heard, start = self.loudness.cut(self.pcm)
        found = self.decoders.decode_whole(with_floor(heard, start // 2, self.loudness.floor_dbfs), self.phrases)
        return tuple(reading.later(start / BYTES_PER_SECOND, len(self.pcm) / BYTES_PER_SECOND) for reading in found)

    @property
    def unheard(self) -> int:
        """How many bytes the streaming search is behind; it is made for interim results, and costs as much as the rest."""
        if self.paused_at is not None or not (self.followed or len(self.pcm) > PATIENCE_BYTES):
            return 0
        return len(self.pcm) - self.searched

    def search(self, end: int) -> None:
        """Let the streaming search have what it has not had up to an offset."""
        if self.live is None:
            self.live = self.decoders.take()
            begin(self.live)
        self.live.process_raw(self.unsearched(end))
        self.searched = end

    @property
    def is_long(self) -> bool:
        return len(self.pcm) > LONGEST_WHOLE_BYTES

    def end_live(self) -> None:
        if self.live is not None:
            self.live.end_utt()
            self.decoders.give_back(self.live)
            self.live = None


_Work = Callable[[int, _Utterance], bytes]


class Hearing:
    """Takes frames, and works off what they ask for in small steps."""

    def __init__(self) -> None:
        self._bundles: dict[str, Decoders] = {}
        self._utterances: dict[int, _Utterance] = {}

    def take(self, frame: Frame) -> Iterator[bytes]:
        """Take one frame; yields frames to answer with at once."""
        match frame.kind:
            case Kind.LOAD:
                yield self._load(LoadOrder.from_json(frame.json()))
            case Kind.UNLOAD:
                self._bundles.pop(frame.json()["key"], None)
            case Kind.OPEN:
                order = frame.json()
                self._utterances[frame.stream] = _Utterance(self._bundles[order["key"]], order["phrases"])
            case _:
                utterance = self._utterances.get(frame.stream)
                if utterance is not None:
                    self._take_for(utterance, frame)

    def _load(self, order: LoadOrder) -> bytes:
        try:
            if order.key not in self._bundles:
                self._bundles[order.key] = Decoders(order)
        except (RuntimeError, ValueError, TypeError, OSError, KeyError) as error:
            return encode(Kind.FAILED, 0, {"key": order.key, "reason": str(error)})
        return encode(Kind.LOADED, 0, {"key": order.key})

    def _take_for(self, utterance: _Utterance, frame: Frame) -> None:
        match frame.kind:
            case Kind.FEED:
                utterance.add(frame.body)
            case Kind.PAUSE:
                utterance.paused_at = len(utterance.pcm)
            case Kind.RESUME:
                utterance.paused_at = None
                utterance.prepared = None
            case Kind.FOLLOW:
                utterance.followed = True
            case Kind.FINISH:
                utterance.finishing = True
            case Kind.CLOSE:
                utterance.end_live()
                del self._utterances[frame.stream]
            case _:
                raise ValueError(f"a worker is not told {frame.kind.name}")

    def step(self) -> list[bytes] | None:
        """Do one piece of work.

        Returns:
            Frames to send; None if there is nothing to do.
        """
        # Who waits for a final result comes first, then who has most audio unheard.
        for stream, utterance in self._utterances.items():
            if utterance.finishing:
                return self._guarded(self._finish, stream, utterance)
        behind = [(utterance.unheard, stream) for stream, utterance in self._utterances.items()]
        most, stream = max(behind, default=(0, 0))
        if most >= STEP_BYTES:
            return self._guarded(self._search, stream, self._utterances[stream])
        for stream, utterance in self._utterances.items():
            if utterance.paused_at is not None and utterance.prepared is None and not utterance.is_long:
                return self._guarded(self._prepare, stream, utterance)
        # What is left is made while nobody waits.
        return [] if any(decoders.complete() for decoders in self._bundles.values()) else None

    def _guarded(self, work: _Work, stream: int, utterance: _Utterance) -> list[bytes]:
        """Do a piece of work; what the decoder can not stomach costs this utterance and no other."""
        try:
            return [work(stream, utterance)]
        except (RuntimeError, ValueError, IndexError) as error:
            # Its decoder is in an unknown state, so it does not go back to the idle ones.
            del self._utterances[stream]
            return [encode(Kind.BROKEN, stream, {"reason": str(error)})]

    @staticmethod
    def _prepare(_stream: int, utterance: _Utterance) -> bytes:
        utterance.prepared = utterance.decode_whole()
        return b""

    def _search(self, stream: int, utterance: _Utterance) -> bytes:
        end = utterance.searched + STEP_BYTES
        utterance.search(end)
        if not utterance.followed or end - utterance.reported_at < INTERIM_BYTES:
            return b""
        utterance.reported_at = end
        words = words_so_far(utterance.live)
        if words == utterance.reported:
            return b""
        utterance.reported = words
        return encode(Kind.INTERIM, stream, {"words": words, "offset": end / BYTES_PER_SECOND})

    def _finish(self, stream: int, utterance: _Utterance) -> bytes:
        found = utterance.prepared
        if utterance.is_long:
            found = self._finish_live(utterance)
        elif found is None:
            found = utterance.decode_whole()
        utterance.end_live()
        del self._utterances[stream]
        body = {"readings": [reading.to_json() for reading in found], "loudest": utterance.loudness.dbfs}
        return encode(Kind.FINAL, stream, body)

    @staticmethod
    def _finish_live(utterance: _Utterance) -> tuple[Reading, ...]:
        """Return what the streaming search has found: a second search would hold up everybody else for seconds."""
        utterance.search(len(utterance.pcm))
        live, utterance.live = utterance.live, None
        found = conclude(live, utterance.decoders.order, utterance.decoders.knowledge)
        utterance.decoders.give_back(live)
        return found
