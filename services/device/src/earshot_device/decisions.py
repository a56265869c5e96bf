"""What the device has decided and must not forget: the outcome of each turn, and the highest directive revision.

With a file, a decision is on disk before it has an effect, so a device that restarts in the middle of an answer does not
carry out the same outcome again, nor another one.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from pathlib import Path

from earshot_device.core.ids import OutcomeId, TurnId

CAPACITY = 256
_ABANDONED = OutcomeId("")


class Decisions:
    """Decisions about the last CAPACITY turns.

    Args:
        path: Where they are kept; None: in memory. A file that can't be read is taken as empty.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._turns: OrderedDict[TurnId, OutcomeId] = OrderedDict()
        self.directive_revision = 0
        if path is not None:
            self._load(path)

    def bind(self, turn_id: TurnId, outcome_id: OutcomeId) -> bool:
        """Bind a turn to an outcome; False if it is bound to another one, or abandoned. Writes before it returns."""
        return self._decide(turn_id, outcome_id)

    def abandon(self, turn_id: TurnId) -> bool:
        """Give a turn up; False if it is bound to an outcome. Writes before it returns."""
        return self._decide(turn_id, _ABANDONED)

    def note_revision(self, revision: int) -> None:
        """Remember the highest directive revision that was carried out."""
        if revision > self.directive_revision:
            self.directive_revision = revision
            self._save()

    def _decide(self, turn_id: TurnId, outcome_id: OutcomeId) -> bool:
        held = self._turns.get(turn_id)
        if held is not None:
            return held == outcome_id
        self._turns[turn_id] = outcome_id
        if len(self._turns) > CAPACITY:
            self._turns.popitem(last=False)
        self._save()
        return True

    def _load(self, path: Path) -> None:
        try:
            kept = json.loads(path.read_text("utf-8"))
            turns = [(TurnId(str(turn)), OutcomeId(str(outcome))) for turn, outcome in kept["turns"]]
            revision = int(kept["directive_revision"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        self._turns = OrderedDict(turns[-CAPACITY:])
        self.directive_revision = revision

    def _save(self) -> None:
        if self._path is None:
            return
        kept = {"turns": list(self._turns.items()), "directive_revision": self.directive_revision}
        beside = self._path.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
