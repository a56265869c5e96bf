"""Trains a model in a process of its own: python -m earshot_nlu.training PATH, the examples as JSON on standard input.

The event loop's process has turns to interpret, and training holds the interpreter for seconds. This one yields to
everything else on the machine, ends when its work is done, and can be ended at any moment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earshot_nlu.understanding.english import English
from earshot_nlu.understanding.language import Languages
from earshot_nlu.understanding.mandarin import Mandarin
from earshot_nlu.understanding.statistical.drawing import Drawn
from earshot_nlu.understanding.statistical.encoder import Encoder, NoEncoder, SentenceEncoder
from earshot_nlu.understanding.statistical.examples import Example, Filled
from earshot_nlu.understanding.statistical.model import trained
from earshot_nlu.understanding.statistical.storing import write

_NICE = 10


def encoder_named(name: str) -> Encoder:
    """Return an encoder by its name."""
    return SentenceEncoder() if name == SentenceEncoder.name else NoEncoder()


def task(drawn: Drawn, locale: str, encoder: Encoder) -> bytes:
    """Return what the process reads."""
    examples = [
        (one.text, one.intent, one.shape, [(slot.name, slot.start, slot.end) for slot in one.slots])
        for one in drawn.examples
    ]
    return json.dumps(
        {"locale": locale, "encoder": encoder.name, "examples": examples, "lists": dict(drawn.lists)}
    ).encode()


def drawn_of(document: Mapping[str, Any]) -> Drawn:
    """Return what was drawn as far as training needs it."""
    return Drawn(
        examples=tuple(
            Example(text=text, intent=intent, shape=shape, slots=tuple(Filled(*slot) for slot in slots))
            for text, intent, shape, slots in document["examples"]
        ),
        lists={name: tuple(values) for name, values in document["lists"].items()},
        forms={},
    )


def main() -> int:
    """Train and write; 3: there is nothing to tell apart."""
    os.nice(_NICE)
    document = json.loads(sys.stdin.buffer.read())
    language = Languages([English(), Mandarin()]).of(document["locale"])
    model = trained(drawn_of(document), language, encoder_named(document["encoder"]))
    if model is None:
        return 3
    write(model, Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
