"""The models that an engine of Earshot can use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from earshot_models.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of a model.

    Attributes:
        name: Relative to the model's directory.
        path: Relative to the model's source.
        size_bytes: None where the publisher's copies differ.
        sha256: In hex, of the copy that Earshot is tested with; None where the publisher's copies differ.
        required: Whether the engine needs it.
    """

    name: str
    path: str
    size_bytes: int | None = None
    sha256: str | None = None
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model.

    Attributes:
        id: Its name here and of its directory.
        summary: What it is, in one line.
        locale: BCP-47, what it is for.
        engine: Which engine loads it.
        publisher: Who made it.
        page: Where it is published, for people.
        source: URL below which its files can be fetched, without a slash at its end; empty: they can only be
            added from a copy.
        licence: Under which terms.
        size_bytes: Of all files together.
        files: What it consists of.
        aliases: Other names of it, that `find` takes.
    """

    id: str
    summary: str
    locale: str
    engine: str
    publisher: str
    page: str
    source: str
    licence: str
    size_bytes: int
    files: tuple[ModelFile, ...]
    aliases: tuple[str, ...] = ()


_CMU_MANDARIN_PATH: Final = "model/hmm/zh/tdt_sc_8k"

CMU_MANDARIN: Final = Model(
    id="zh-CN-tdt",
    aliases=("zh-CN",),
    summary="Semi-continuous Mandarin acoustic model with a pronunciation dictionary of 95,913 words, without tones",
    locale="zh-CN",
    engine="pocketsphinx",
    publisher="Carnegie Mellon University",
    page="https://cmusphinx.github.io/wiki/download/",
    # The last commit of the publisher's repository that has the model; later ones have another.
    source="https://raw.githubusercontent.com/cmusphinx/pocketsphinx/9e3a5ea6444eae9c0bae96ffa0a1fecadc181f1e",
    licence="BSD-style (see COPYING)",
    size_bytes=5_649_472,
    files=(
        ModelFile(name="COPYING", path="COPYING", required=False),
        ModelFile(
            name="feat.params",
            path=f"{_CMU_MANDARIN_PATH}/feat.params",
            size_bytes=186,
            sha256="4a6d2b73e03ee01fba914c78375ed3730800a65222054b9dee037ae66c2feb04",
        ),
        ModelFile(
            name="mandarin_notone.dic",
            path="model/lm/zh_CN/mandarin_notone.dic",
            size_bytes=2_162_561,
            sha256="35db87512760602b5849dd5e8b34302e5fc56110159a6bca1dd901a4ecc390ef",
        ),
        ModelFile(
            name="mdef",
            path=f"{_CMU_MANDARIN_PATH}/mdef",
            size_bytes=1_400_146,
            sha256="ff5c3fca8c64a4951bee20782a9ee2f9660b3272dea14236debff88dd54aa050",
        ),
        ModelFile(
            name="means",
            path=f"{_CMU_MANDARIN_PATH}/means",
            size_bytes=40_012,
            sha256="2a9b89adab74695318781000f84b5ef519c1c05c4f703dedd21ab289ffaf21b9",
        ),
        ModelFile(
            name="noisedict",
            path=f"{_CMU_MANDARIN_PATH}/noisedict",
            size_bytes=116,
            sha256="5fa071647f771803feccbe31dc7fb6d8f2e468f97186792db26dad429e59732f",
        ),
        ModelFile(
            name="sendump",
            path=f"{_CMU_MANDARIN_PATH}/sendump",
            size_bytes=2_001_239,
            sha256="d6d2ac84a7aa7c020114267d6fba9df710f6075fbe02ff7ec98e84765fd38779",
        ),
        ModelFile(
            name="transition_matrices",
            path=f"{_CMU_MANDARIN_PATH}/transition_matrices",
            size_bytes=3_424,
            sha256="0e697ddb2f1a4204615db1d73bdce5d81f30ce3b8fb55de23a2ced2d20fa2eb4",
        ),
        ModelFile(
            name="variances",
            path=f"{_CMU_MANDARIN_PATH}/variances",
            size_bytes=40_012,
            sha256="50a279dde94da2e742113aae9aed03526dddd66bf48a64bed7579e5092f7b53b",
        ),
    ),
)

_SHERPA_ZH_EN_NAME: Final = "sherpa-onnx-streaming-zipformer-bilingual-zh-en-2023-02-20"

SHERPA_ZH_EN: Final = Model(
    id="sherpa-zh-en",
    aliases=(_SHERPA_ZH_EN_NAME,),
    summary="Streaming zipformer transducer for Mandarin and English, 8-bit encoder and joiner",
    locale="zh-CN, en-US",
    engine="sherpa",
    publisher="k2-fsa",
    page="https://github.com/k2-fsa/sherpa-onnx/releases/tag/asr-models",
    source="",
    licence="Apache-2.0",
    # Of the files that are used, to the megabyte; the archive has the unquantised ones and recordings, too.
    size_bytes=199_000_000,
    files=(
        ModelFile(name="encoder-epoch-99-avg-1.int8.onnx", path="encoder-epoch-99-avg-1.int8.onnx"),
        ModelFile(name="decoder-epoch-99-avg-1.onnx", path="decoder-epoch-99-avg-1.onnx"),
        ModelFile(name="joiner-epoch-99-avg-1.int8.onnx", path="joiner-epoch-99-avg-1.int8.onnx"),
        ModelFile(name="tokens.txt", path="tokens.txt"),
        # How English names are cut into pieces, for hot words; older copies of the archive lack it.
        ModelFile(name="bpe.vocab", path="bpe.vocab", required=False),
    ),
)

KNOWN: Final[tuple[Model, ...]] = (CMU_MANDARIN, SHERPA_ZH_EN)


def find(model_id: str) -> Model:
    """Return the model of an id, or of another name of it.

    Raises:
        ModelError: unknown_model.
    """
    for model in KNOWN:
        if model_id in (model.id, *model.aliases):
            return model
    names = ", ".join(model.id for model in KNOWN)
    raise ModelError(f"There is no model {model_id!r}; known are: {names}.", code="unknown_model")
