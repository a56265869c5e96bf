"""The network and its streams. Runs in a worker process; the only module that knows sherpa-onnx."""

from __future__ import annotations

import math
from typing import Any, Final, Protocol

import numpy as np

from earshot_asr.engines.sherpa.orders import RecogniserOrder
from earshot_asr.engines.sherpa.tokens import Word, words_of

SAMPLE_RATE: Final = 16_000
FRAME_S: Final = 0.01
_PATHS: Final = 4
_FULL_SCALE: Final = 32768.0


class Stream(Protocol):
    """One utterance, as the library has it."""

    def accept_waveform(self, sample_rate: float, waveform: Any) -> None:
        """Take samples from -1 to 1."""
        ...

    def input_finished(self) -> None:
        """Learn that no more will come."""
        ...


class Recogniser:
    """A loaded model."""

    def __init__(self, order: RecogniserOrder) -> None:
        """Load it. The library may end the process instead.

        Raises:
            RuntimeError: A file is not as it should be.
        """
        import sherpa_onnx  # noqa: PLC0415 - not for the service's own process, and not everywhere installed

        self._order = order
        self._made: Any = sherpa_onnx.OnlineRecognizer.from_transducer(
            encoder=order.encoder,
            decoder=order.decoder,
            joiner=order.joiner,
            tokens=order.tokens,
            bpe_vocab=order.pieces if order.unit else "",
            modeling_unit=order.unit or "cjkchar",
            model_type=order.kind,
            num_threads=order.threads,
            sample_rate=SAMPLE_RATE,
            decoding_method="modified_beam_search" if order.unit else "greedy_search",
            max_active_paths=_PATHS,
            hotwords_score=order.hot_word_score,
            enable_endpoint_detection=True,
            rule1_min_trailing_silence=order.no_speech_s,
            rule2_min_trailing_silence=order.silence_s,
            rule3_min_utterance_length=order.longest_s,
        )

    @property
    def chunk_s(self) -> float:
        """Seconds of audio that are decoded at once."""
        return self._order.chunk_frames * FRAME_S

    def open(self, phrases: tuple[str, ...]) -> Stream:
        """Begin an utterance, with hot words."""
        # The library takes one text with its phrases parted by slashes.
        stream: Stream = (
            self._made.create_stream("/".join(phrases)) if phrases and self._order.unit else self._made.create_stream()
        )
        return stream

    def feed(self, stream: Stream, pcm: bytes) -> None:
        """Give a stream 16-bit samples."""
        stream.accept_waveform(SAMPLE_RATE, np.frombuffer(pcm, np.int16).astype(np.float32) / _FULL_SCALE)

    def end(self, stream: Stream) -> None:
        """Let the last words out: the network looks ahead, so silence has to follow them."""
        frames = self._order.window_frames + self._order.chunk_frames
        stream.accept_waveform(SAMPLE_RATE, np.zeros(round(frames * FRAME_S * SAMPLE_RATE), np.float32))
        stream.input_finished()

    def is_ready(self, stream: Stream) -> bool:
        """Whether there is a chunk to decode."""
        return bool(self._made.is_ready(stream))

    def decode(self, streams: list[Stream]) -> None:
        """Decode one chunk of each, together.

        Raises:
            RuntimeError: The network refused.
        """
        self._made.decode_streams(streams)

    def words(self, stream: Stream) -> tuple[Word, ...]:
        """Return the words of the segment in progress; seconds from the first sample of the utterance."""
        result = self._made.get_result_all(stream)
        times = [result.start_time + time for time in result.timestamps]
        # As logarithms; the beam search has none for what it has just begun.
        told = [math.exp(min(value, 0.0)) for value in result.ys_probs]
        probabilities = [*told, *([1.0] * (len(times) - len(told)))]
        return words_of(list(result.tokens), times, probabilities)

    def is_endpoint(self, stream: Stream) -> bool:
        """Whether silence, or its length, ends the segment in progress."""
        return bool(self._made.is_endpoint(stream))

    def begin_segment(self, stream: Stream) -> None:
        """Forget the words of the segment that is over; what the network remembers of the sound stays."""
        self._made.reset(stream)
