"""What was learned from recordings about each acoustic model; the files are written by `bench.recognition.training`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How the evidence for a reading becomes its confidence, by a logistic function.

    Attributes:
        offset: What is added to the weighted evidence.
        acoustic: A weight, like all that follow; see `evidence`. At least 0.
        limit: Confidence below which speech is not for us, unless the settings say otherwise.
    """

    offset: float
    acoustic: float = 0.0
    worst: float = 0.0
    posterior: float = 0.0
    least: float = 0.0
    agreement: float = 0.0
    language: float = 0.0
    oddest: float = 0.0
    whole: float = 0.0
    margin: float = 0.0
    limit: float = 0.2

    def weights(self) -> dict[str, float]:
        """Return offset and weights by name."""
        return {name: value for name, value in asdict(self).items() if name != "limit"}


def read_calibration(name: str) -> Calibration:
    """Read one of the files that lie here.

    Args:
        name: Of the file, without its ending.

    Raises:
        FileNotFoundError: There is none of that name.
    """
    learned: dict[str, Any] = json.loads((files(__package__) / f"{name}.json").read_text(encoding="utf-8"))
    return Calibration(limit=learned["limit"], **learned["weights"])
