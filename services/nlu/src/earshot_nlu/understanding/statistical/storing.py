"""A model as a file: arrays and text only, so that reading one runs nothing of it.

Words, grams and vectors are kept as numbers; values of lists, because they are marked in what is said, as they are.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earshot_nlu.understanding.language import Language
from earshot_nlu.understanding.statistical.encoder import Encoder
from earshot_nlu.understanding.statistical.grams import GramTable
from earshot_nlu.understanding.statistical.intents import IntentModel
from earshot_nlu.understanding.statistical.model import StatisticalModel
from earshot_nlu.understanding.statistical.slots import Describer, SlotModel
from earshot_nlu.understanding.statistical.trust import Neighbours, Trust

PARTIAL = ".partial"


class UnreadableModelError(ValueError):
    """The file holds no model, or not the one that is wanted."""


def write(model: StatisticalModel, path: Path) -> None:
    """Write a model; a reader never sees half of it."""
    fields = list(model.slots.fields.items())
    about = {
        "version": model.version,
        "encoder": model.encoder.name,
        "intents": model.intents.intents,
        "words": model.intents.words,
        "trust": model.trust.bias,
        "lists": model.slots.describer.lists,
        "fields": [intent for intent, _ in fields],
    }
    arrays: dict[str, Any] = {
        "about": _bytes(json.dumps(about).encode()),
        "grams": np.array(list(model.intents.table.rows), np.uint32),
        "telling": model.intents.table.telling,
        "by_vector": model.intents.by_vector.astype(np.float16),
        "by_gram": model.intents.by_gram.astype(np.float16),
        "bias": model.intents.bias,
        "known": np.array(sorted(model.words), np.uint32),
        "neighbours": model.neighbours.vectors.astype(np.float16),
        "owners": model.neighbours.owners.astype(np.int32),
        "trust": model.trust.weights,
        "directions": model.slots.describer.directions,
        "middle": model.slots.describer.middle,
    }
    arrays |= {f"field {index}": _bytes(written) for index, (_, written) in enumerate(fields)}
    # A name of its own: replicas that share the folder make the same model at the same time.
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=PARTIAL, delete=False) as file:
        partial = Path(file.name)
        try:
            np.savez(file, **arrays)
        except BaseException:
            partial.unlink()
            raise
    partial.replace(path)


def read(path: Path, version: str, language: Language, encoder: Encoder) -> StatisticalModel:
    """Return the model of a file.

    Raises:
        UnreadableModelError: There is none in it, or it is not of this version or encoder.
    """
    try:
        # Not the path: what numpy can't read it would leave open.
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays["about"].tobytes())
        if (about["version"], about["encoder"]) != (version, encoder.name):
            raise UnreadableModelError(f"not a model of version {version}")
        return _model(about, arrays, language, encoder)
    except (OSError, EOFError, AttributeError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, UnreadableModelError):
            raise
        raise UnreadableModelError(f"no model: {type(error).__name__}") from error


def _model(about: Any, arrays: dict[str, NDArray[Any]], language: Language, encoder: Encoder) -> StatisticalModel:
    table = GramTable({int(gram): row for row, gram in enumerate(arrays["grams"])}, arrays["telling"])
    describer = Describer(
        language=language,
        encoder=encoder,
        directions=arrays["directions"],
        middle=arrays["middle"],
        lists={name: tuple(values) for name, values in about["lists"].items()},
    )
    return StatisticalModel(
        version=about["version"],
        language=language,
        encoder=encoder,
        intents=IntentModel(
            intents=tuple(about["intents"]),
            table=table,
            by_vector=arrays["by_vector"].astype(np.float32),
            by_gram=arrays["by_gram"].astype(np.float32),
            bias=arrays["bias"],
            words=about["words"],
        ),
        words=frozenset(int(word) for word in arrays["known"]),
        neighbours=Neighbours(
            vectors=arrays["neighbours"].astype(np.float32), owners=arrays["owners"].astype(np.int64)
        ),
        trust=Trust(weights=arrays["trust"], bias=about["trust"]),
        slots=SlotModel(
            describer, {intent: arrays[f"field {index}"].tobytes() for index, intent in enumerate(about["fields"])}
        ),
    )


def _bytes(written: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(written, np.uint8)
