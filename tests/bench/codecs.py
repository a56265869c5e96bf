"""CPU time of one frame through the codecs, a part of `bench.audio`."""

from __future__ import annotations

import time

import numpy as np

from bench.results import table
from earshot_audio import Encoding, Format, FrameDecoder, FrameEncoder, Resampler

_SECONDS = 4
_RATES = (8_000, 16_000, 24_000, 48_000)


def report() -> str:
    """Return a table: microseconds of CPU a 20 ms frame of mono speech-like noise takes."""
    rows = []
    for rate in _RATES:
        opus = Format(encoding=Encoding.OPUS, sample_rate_hertz=rate)
        samples = (np.random.default_rng(1).standard_normal(rate * _SECONDS) * 2_000).astype(np.int16)
        encoder, decoder, resampler = FrameEncoder(opus, 20), FrameDecoder(opus), Resampler(rate, 16_000)
        began = time.process_time()
        packets = encoder.encode(samples)
        encoded = time.process_time()
        decoded = [decoder.decode(packet) for packet in packets]
        heard = time.process_time()
        for block in decoded:
            resampler.process(block)
        ended = time.process_time()
        scale = 1e6 / len(packets)
        rows.append(
            (
                f"{rate:,} Hz",
                f"{(encoded - began) * scale:.0f}",
                f"{(heard - encoded) * scale:.0f}",
                f"{(ended - heard) * scale:.0f}",
                f"{sum(map(len, packets)) / len(packets):.0f}",
            )
        )
    return table(("Opus, 20 ms", "encode us", "decode us", "to 16 kHz us", "bytes"), rows)
