"""A streaming transducer of a few kilobytes that understands tones: each pitch is a token.

It has the shape of a zipformer2 of one layer, with all its states, so that the library loads and streams it as it would
the real thing. Its encoder takes the energy at each token's pitch, its decoder keeps a token from being said twice in a
row, its joiner adds the two.

Two tones are ambiguous on purpose. "等" and "灯" share one, "等" being a little likelier: only a hot word brings out the
other. "早" and "晚" share one, and which it is depends on how many chunks the stream has heard: that is a state of the
network, so mixed up states would be heard.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from support.onnx_files import FLOAT, INT64, Network, Node

SAMPLE_RATE: Final = 16_000
CHUNK_FRAMES: Final = 32
WINDOW_FRAMES: Final = 45
TONES: Final[Mapping[str, float]] = {
    "▁TURN": 300, "▁ON": 520, "▁LIGHT": 800, "S": 1150, "开": 1600, "等": 2150, "灯": 2150, "早": 2900, "晚": 2900,
    "▁OS": 3800, "LO": 5000,
}  # fmt: skip
TOKENS: Final = ("<blk>", "<sos/eos>", "<unk>", *TONES)
EARLY_CHUNKS: Final = 4
_BINS: Final = 80
_LAYER: Final = {
    "encoder_dims": 8, "query_head_dims": 4, "value_head_dims": 4, "num_heads": 2, "num_encoder_layers": 1,
    "cnn_module_kernels": 3, "left_context_len": 4,
}  # fmt: skip
_STATES: Final[Mapping[str, tuple[int, tuple[int | str, ...]]]] = {
    "cached_key": (FLOAT, (4, "N", 8)),
    "cached_nonlin_attn": (FLOAT, (1, "N", 4, 6)),
    "cached_val1": (FLOAT, (4, "N", 8)),
    "cached_val2": (FLOAT, (4, "N", 8)),
    "cached_conv1": (FLOAT, ("N", 8, 1)),
    "cached_conv2": (FLOAT, ("N", 8, 1)),
    "embed_states": (FLOAT, ("N", 128, 3, 19)),
    "processed_lens": (INT64, ("N",)),
}
_NEVER: Final = -100.0


def make_model(folder: Path, *, pieces: bool = True, **properties: str) -> Path:
    """Write the model's files.

    Args:
        folder: Where; made.
        pieces: Whether there is a list of how words are cut into pieces.
        **properties: Of the encoder, instead of its own; empty: it has no such property.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = {
        "model_type": "zipformer2",
        "version": "1",
        "T": str(WINDOW_FRAMES),
        "decode_chunk_len": str(CHUNK_FRAMES),
        **{name: str(value) for name, value in _LAYER.items()},
        **properties,
    }
    _encoder({name: value for name, value in own.items() if value}).write(folder / "encoder-tones.onnx")
    _decoder().write(folder / "decoder-tones.onnx")
    _joiner().write(folder / "joiner-tones.onnx")
    lines = (f"{token} {index}\n" for index, token in enumerate(TOKENS))
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    if pieces:
        latin = (token for token in TONES if token.isascii() or token.startswith("▁"))
        lines = (f"{token}\t{-index}\n" for index, token in enumerate(("<unk>", "<s>", "</s>", *latin)))
        (folder / "bpe.vocab").write_text("".join(lines), encoding="utf-8")
    return folder


def tones(*tokens: str, seconds: float = 0.24, before: float = 0.2, after: float = 0.4) -> bytes:
    """Return 16 kHz PCM in which tokens are said one after the other; a number is so many seconds of silence."""
    gap = _silence(0.12)
    parts = [_silence(before)]
    for token in tokens:
        parts.append(_silence(float(token)) if token[0].isdigit() else _tone(TONES[token], seconds))
        parts.append(gap)
    return np.concatenate([*parts, _silence(after)]).tobytes()


def _tone(hertz: float, seconds: float) -> NDArray[np.int16]:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (np.sin(2 * np.pi * hertz * time) * np.hanning(len(time)) ** 0.25 * 9000).astype(np.int16)


def _silence(seconds: float) -> NDArray[np.int16]:
    return np.zeros(round(seconds * SAMPLE_RATE), np.int16)


def _bin(hertz: float) -> int:
    """Return the mel bin with its centre nearest to a pitch."""

    def mel(frequency: float) -> float:
        return 1127.0 * math.log1p(frequency / 700.0)

    low, high = mel(20.0), mel(SAMPLE_RATE / 2 - 400.0)
    return round((mel(hertz) - low) / ((high - low) / (_BINS + 1)) - 1)


def _encoder(properties: Mapping[str, str]) -> Network:
    frames = CHUNK_FRAMES // 4
    weights = np.zeros((4 * _BINS, len(TOKENS)), np.float32)
    bias = np.full(len(TOKENS), _NEVER, np.float32)
    bias[0] = 0.0
    for token, hertz in TONES.items():
        weights[[frame * _BINS + _bin(hertz) for frame in range(4)], TOKENS.index(token)] = 0.25
        bias[TOKENS.index(token)] = 2.0
    bias[TOKENS.index("灯")] -= 0.6
    ageing = np.zeros((1, 1, len(TOKENS)), np.float32)
    bias[TOKENS.index("早")] += 2.0 * EARLY_CHUNKS - 1.0
    ageing[0, 0, TOKENS.index("早")] = -2.0
    kept = [name for name in _STATES if name not in {"cached_conv1", "processed_lens"}]
    return Network(
        inputs={"x": (FLOAT, ("N", WINDOW_FRAMES, _BINS)), **_STATES},
        outputs={
            "encoder_out": (FLOAT, ("N", frames, len(TOKENS))),
            **{f"new_{name}": kind for name, kind in _STATES.items()},
        },
        nodes=[
            Node(op="Slice", inputs=["x", "zero", "chunk", "axis1"], outputs=["heard"]),
            Node(op="Reshape", inputs=["heard", "by_four"], outputs=["groups"]),
            Node(op="MatMul", inputs=["groups", "weights"], outputs=["energies"]),
            Node(op="Add", inputs=["energies", "bias"], outputs=["scores"]),
            # How many chunks the stream has heard is kept in one of its states.
            Node(op="Slice", inputs=["cached_conv1", "zero", "one", "axis1"], outputs=["chunks"]),
            Node(op="Mul", inputs=["chunks", "ageing"], outputs=["aged"]),
            Node(op="Add", inputs=["scores", "aged"], outputs=["encoder_out"]),
            Node(op="Add", inputs=["cached_conv1", "step"], outputs=["new_cached_conv1"]),
            Node(op="Add", inputs=["processed_lens", "chunk"], outputs=["new_processed_lens"]),
            *(Node(op="Identity", inputs=[name], outputs=[f"new_{name}"]) for name in kept),
        ],
        constants={
            "zero": np.array([0], np.int64),
            "one": np.array([1], np.int64),
            "axis1": np.array([1], np.int64),
            "chunk": np.array([CHUNK_FRAMES], np.int64),
            "by_four": np.array([-1, frames, 4 * _BINS], np.int64),
            "weights": weights,
            "bias": bias,
            "ageing": ageing,
            "step": np.array([1], np.float32),
        },
        properties=properties,
    )


def _decoder() -> Network:
    # What was just said is not said again; blanks are never "just said".
    table = np.zeros((len(TOKENS), len(TOKENS)), np.float32)
    for index in range(1, len(TOKENS)):
        table[index, index] = _NEVER
    for same in (("等", "灯"), ("早", "晚")):
        first, second = map(TOKENS.index, same)
        table[first, second] = table[second, first] = _NEVER
    return Network(
        inputs={"y": (INT64, ("N", 2))},
        outputs={"decoder_out": (FLOAT, ("N", len(TOKENS)))},
        nodes=[
            Node(op="Slice", inputs=["y", "one", "two", "one"], outputs=["last"]),
            Node(op="Gather", inputs=["table", "last"], outputs=["rows"], attributes={"axis": 0}),
            Node(op="Reshape", inputs=["rows", "flat"], outputs=["decoder_out"]),
        ],
        constants={
            "one": np.array([1], np.int64),
            "two": np.array([2], np.int64),
            "flat": np.array([-1, len(TOKENS)], np.int64),
            "table": table,
        },
        properties={"vocab_size": str(len(TOKENS)), "context_size": "2"},
    )


def _joiner() -> Network:
    shape = ("N", len(TOKENS))
    return Network(
        inputs={"encoder_out": (FLOAT, shape), "decoder_out": (FLOAT, shape)},
        outputs={"logit": (FLOAT, shape)},
        nodes=[Node(op="Add", inputs=["encoder_out", "decoder_out"], outputs=["logit"])],
        properties={"joiner_dim": str(len(TOKENS))},
    )
