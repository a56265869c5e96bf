"""Finding a streaming transducer's files in a directory, and saying in one sentence what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from earshot_asr.engines.errors import ModelMissingError, ModelUnusableError
from earshot_asr.engines.sherpa.metadata import NotOnnxError, read_metadata
from earshot_asr.engines.sherpa.tokens import Tokens, Unit

KINDS: Final = ("zipformer2", "zipformer", "conformer", "lstm", "ebranchformer")
"""Streaming encoders that the library knows; "model_type" in their metadata."""
PARTS: Final = ("encoder", "decoder", "joiner")
TOKENS: Final = "tokens.txt"
PIECES: Final = "bpe.vocab"
PUBLISHED: Final = (
    "streaming transducers are published by the k2-fsa project with its sherpa-onnx releases (asr-models), for Mandarin "
    "and English as sherpa-onnx-streaming-zipformer-bilingual-zh-en-2023-02-20; see `earshot models list`"
)
# The decoder is small and run for every token: what 8 bits save there is little, and costs accuracy.
_PREFERS_SMALL: Final = {"encoder": True, "decoder": False, "joiner": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class SherpaModel:
    """The files of a model that is whole.

    Attributes:
        folder: Where they lie.
        encoder: The network that hears, 8-bit where there is such a file.
        decoder: The network that remembers what was said.
        joiner: The network that chooses the next token.
        tokens: The list of tokens.
        pieces: How words are cut into pieces; without it only Chinese characters can be hot words.
        kind: Kind of the encoder.
        chunk_frames: Frames of 10 ms that the encoder takes at once.
        window_frames: Frames that it looks at for a chunk, the chunk itself among them.
        alphabet: What the list of tokens tells.
    """

    folder: Path
    encoder: Path
    decoder: Path
    joiner: Path
    tokens: Path
    pieces: Path | None
    kind: str
    chunk_frames: int
    window_frames: int
    alphabet: Tokens

    @property
    def hot_word_unit(self) -> Unit | None:
        """What hot words can be written in; None: there can't be any."""
        unit = self.alphabet.unit
        if unit is Unit.CHARACTERS or self.pieces is not None:
            return unit
        return Unit.CHARACTERS if unit is Unit.BOTH else None

    @classmethod
    def find(cls, folder: Path) -> Self:
        """Find a model's files.

        Raises:
            ModelMissingError: There is no such directory, or it lacks files; says which, and where they are published.
            ModelUnusableError: A file is not what its name says.
        """
        if not folder.is_dir():
            raise ModelMissingError(f"there is no directory {folder} with a model for sherpa-onnx; {PUBLISHED}")
        found = {part: _choose(folder, part) for part in PARTS}
        missing = [f"{part}*.onnx" for part, path in found.items() if path is None]
        missing += [] if (folder / TOKENS).is_file() else [TOKENS]
        if missing:
            raise ModelMissingError(f"the model in {folder} lacks {', '.join(missing)}; {PUBLISHED}")
        encoder, decoder, joiner = (path for path in found.values() if path is not None)
        kind, chunk, window = _streaming(encoder)
        for path in (decoder, joiner):
            _metadata(path)
        pieces = folder / PIECES
        return cls(
            folder=folder,
            encoder=encoder,
            decoder=decoder,
            joiner=joiner,
            tokens=folder / TOKENS,
            pieces=pieces if pieces.is_file() else None,
            kind=kind,
            chunk_frames=chunk,
            window_frames=window,
            alphabet=_alphabet(folder / TOKENS),
        )


def _choose(folder: Path, part: str) -> Path | None:
    files = sorted(path for path in folder.glob("*.onnx") if path.name.startswith((f"{part}-", f"{part}.", f"{part}_")))
    small = [path for path in files if ".int8." in path.name]
    plain = [path for path in files if ".int8." not in path.name and ".fp16." not in path.name]
    order: Sequence[Path] = (*small, *plain) if _PREFERS_SMALL[part] else (*plain, *small)
    return next(iter((*order, *files)), None)


def _streaming(encoder: Path) -> tuple[str, int, int]:
    properties = _metadata(encoder)
    kind = properties.get("model_type", "")
    if kind not in KINDS:
        raise ModelUnusableError(
            f"{encoder} is no streaming transducer: its model_type is {json.dumps(kind)}, known are {', '.join(KINDS)}"
        )
    numbers = [properties.get(name, "") for name in ("decode_chunk_len", "T")]
    if not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise ModelUnusableError(f"{encoder} is no streaming transducer: it names no decode_chunk_len and T")
    return kind, int(numbers[0]), int(numbers[1])


def _metadata(path: Path) -> dict[str, str]:
    try:
        return read_metadata(path)
    except (NotOnnxError, OSError) as error:
        raise ModelUnusableError(f"{path} {error}") from error


def _alphabet(path: Path) -> Tokens:
    try:
        return Tokens.read(path)
    except (ValueError, OSError) as error:
        raise ModelUnusableError(f"{path} {error}") from error
