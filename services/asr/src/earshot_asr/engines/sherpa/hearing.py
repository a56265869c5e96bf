"""The utterances of one worker process, and what to do next for them. Knows no pipes and no library.

Whoever has a chunk of audio goes through the network together with the others: one call for four streams takes much less
than four calls. A segment that the recogniser takes to be over is set aside, told, and the next one begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, Protocol

import numpy as np

from earshot_asr.engines.sherpa.orders import OWN
from earshot_asr.engines.sherpa.recogniser import Stream
from earshot_asr.engines.sherpa.tokens import Word
from earshot_asr.engines.workers.frames import Frame, Kind, encode

BATCH: Final = 8
_WINDOW_BYTES: Final = 3200
_FULL_SCALE: Final = 32768.0


class Decoder(Protocol):
    """What hears; `recogniser.Recogniser` in a worker."""

    @property
    def chunk_s(self) -> float:
        """Seconds of audio that are decoded at once."""
        ...

    def open(self, phrases: tuple[str, ...]) -> Stream:
        """Begin an utterance."""
        ...

    def feed(self, stream: Stream, pcm: bytes) -> None:
        """Give it samples."""
        ...

    def end(self, stream: Stream) -> None:
        """Give it no more."""
        ...

    def is_ready(self, stream: Stream) -> bool:
        """Whether there is a chunk to decode."""
        ...

    def decode(self, streams: list[Stream]) -> None:
        """Decode one chunk of each."""
        ...

    def words(self, stream: Stream) -> tuple[Word, ...]:
        """Return the words of the segment in progress."""
        ...

    def is_endpoint(self, stream: Stream) -> bool:
        """Whether it is over."""
        ...

    def begin_segment(self, stream: Stream) -> None:
        """Begin the next one."""
        ...


class _Utterance:
    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.said: tuple[Word, ...] = ()
        self.reported: tuple[Word, ...] = ()
        self.chunks = 0
        self.finishing = False
        self.loudest = 0.0
        self._unmeasured = b""

    def measure(self, pcm: bytes) -> None:
        """Take note of the loudest tenth of a second, however the audio was cut."""
        data = self._unmeasured + pcm
        whole = len(data) - len(data) % _WINDOW_BYTES
        self._unmeasured = data[whole:]
        if whole:
            windows = np.frombuffer(data[:whole], np.int16).astype(np.float32).reshape(-1, _WINDOW_BYTES // 2)
            self.loudest = max(self.loudest, float(np.square(windows).mean(axis=1).max()))

    @property
    def loudest_dbfs(self) -> float:
        return 10 * math.log10(max(self.loudest, 0.25) / _FULL_SCALE**2)


class Hearing:
    """Takes frames, and works off what they ask for chunk by chunk."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._phrases: dict[str, tuple[str, ...]] = {"": ()}
        self._utterances: dict[int, _Utterance] = {}

    def take(self, frame: Frame) -> Iterator[bytes]:
        """Take one frame; yields frames to answer with at once."""
        match frame.kind:
            case Kind.LOAD:
                order = frame.json()
                self._phrases[order["key"]] = tuple(order["phrases"])
                yield encode(Kind.LOADED, 0, {"key": order["key"]})
            case Kind.UNLOAD:
                self._phrases.pop(frame.json()["key"], None)
            case Kind.OPEN:
                order = frame.json()
                phrases = (*order["phrases"].get(OWN, ()), *self._phrases[order["key"]])
                self._utterances[frame.stream] = _Utterance(self._decoder.open(phrases))
            case _:
                utterance = self._utterances.get(frame.stream)
                if utterance is not None:
                    self._take_for(utterance, frame)

    def _take_for(self, utterance: _Utterance, frame: Frame) -> None:
        match frame.kind:
            case Kind.FEED:
                utterance.measure(frame.body)
                self._decoder.feed(utterance.stream, frame.body)
            case Kind.PAUSE | Kind.RESUME | Kind.FOLLOW:
                # The words are known but for the last chunk, whoever waits for them: there is nothing to prepare.
                pass
            case Kind.FINISH:
                utterance.finishing = True
                self._decoder.end(utterance.stream)
            case Kind.CLOSE:
                del self._utterances[frame.stream]
            case _:
                raise ValueError(f"a worker is not told {frame.kind.name}")

    def step(self) -> list[bytes] | None:
        """Do one piece of work.

        Returns:
            Frames to send; None if there is nothing to do.
        """
        ready = [number for number, one in self._utterances.items() if self._decoder.is_ready(one.stream)]
        if ready:
            # Who waits for a final result comes first, then who is furthest behind.
            ready.sort(key=lambda number: (not self._utterances[number].finishing, self._utterances[number].chunks))
            return self._decode(ready[:BATCH])
        done = [number for number, utterance in self._utterances.items() if utterance.finishing]
        return [self._final(number) for number in done] or None

    def _decode(self, numbers: list[int]) -> list[bytes]:
        try:
            self._decoder.decode([self._utterances[number].stream for number in numbers])
        except RuntimeError as error:
            if len(numbers) > 1:
                # One of them is to blame: what it costs is found out one by one.
                return [answer for number in numbers for answer in self._decode([number])]
            del self._utterances[numbers[0]]
            return [encode(Kind.BROKEN, numbers[0], {"reason": str(error)})]
        return [answer for number in numbers for answer in self._after(number)]

    def _after(self, number: int) -> Iterator[bytes]:
        utterance = self._utterances[number]
        utterance.chunks += 1
        segment = self._decoder.words(utterance.stream)
        words = utterance.said + segment
        over = not utterance.finishing and self._decoder.is_endpoint(utterance.stream)
        if over:
            utterance.said = words
            self._decoder.begin_segment(utterance.stream)
        if over or words != utterance.reported:
            utterance.reported = words
            yield encode(Kind.INTERIM, number, self._interim(utterance, words, over=over))

    def _interim(self, utterance: _Utterance, words: tuple[Word, ...], *, over: bool) -> dict[str, Any]:
        return {
            "words": [word.text for word in words],
            "offset": utterance.chunks * self._decoder.chunk_s,
            "end_of_speech": (words[-1].end if words else 0.0) if over else None,
        }

    def _final(self, number: int) -> bytes:
        utterance = self._utterances.pop(number)
        words = utterance.said + self._decoder.words(utterance.stream)
        body = {"words": [word.to_json() for word in words], "loudest": utterance.loudest_dbfs}
        return encode(Kind.FINAL, number, body)
