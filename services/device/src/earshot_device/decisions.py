"""What the device has decided and must not forget: the outcome of each turn, directives that were carried out, and rings.

With a file, a decision is on disk before it has an effect: a device that restarts in the middle of an answer does not
carry out the same outcome again, nor another one, and one that restarts while it rings goes on ringing. No effect depends
on the disk, though: a file that can't be written is reported, and written whole with the next decision.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

from earshot_chassis import telemetry
from earshot_device.core.directives import SEEN_CAPACITY, Directive
from earshot_device.core.ids import DirectiveId, OutcomeId, TurnId
from earshot_device.core.ringbook import Occurrence, RingBook

_log = telemetry.logger("device.decisions")

CAPACITY = 256
_ABANDONED = OutcomeId("")


class Decisions:
    """Decisions about the last CAPACITY turns, directives and rings.

    Args:
        path: Where they are kept; None: in memory. A file that can't be read is taken as empty.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._turns: OrderedDict[TurnId, OutcomeId] = OrderedDict()
        self._directives: dict[DirectiveId, None] = {}
        self._rings = RingBook()
        self._unwritten = False
        self.directive_revision = 0
        if path is not None:
            self._load(path)

    # Turns.

    def bind(self, turn_id: TurnId, outcome_id: OutcomeId) -> bool:
        """Bind a turn to an outcome; False if it is bound to another one, or abandoned. Written before it returns, if it can be."""
        return self._decide(turn_id, outcome_id)

    def abandon(self, turn_id: TurnId) -> bool:
        """Give a turn up; False if it is bound to an outcome. Written before it returns, if it can be."""
        return self._decide(turn_id, _ABANDONED)

    # Directives outside an outcome.

    @property
    def directives(self) -> tuple[DirectiveId, ...]:
        """Directives that were carried out, the oldest first."""
        return tuple(self._directives)

    def note_directive(self, directive: Directive) -> None:
        """Remember a directive, and the highest revision. Written before it returns, if it can be."""
        self._directives[directive.directive_id] = None
        if len(self._directives) > SEEN_CAPACITY:
            del self._directives[next(iter(self._directives))]
        self.directive_revision = max(self.directive_revision, directive.revision)
        self._save()

    # Rings.

    @property
    def ringing(self) -> tuple[Occurrence, ...]:
        """What rings, the oldest first."""
        return self._rings.ringing

    @property
    def untold(self) -> tuple[str, ...]:
        """Occurrences whose stop the cloud does not know yet."""
        return self._rings.untold

    def ring(self, occurrence: Occurrence) -> bool:
        """Let an occurrence ring; False if it does, or was stopped. Written before it returns, if it can be."""
        return self._saved(self._rings.ring(occurrence))

    def stop_ring(self, occurrence_id: str, *, tell: bool) -> bool:
        """Stop an occurrence for ever; False if it was stopped. Written before it returns, if it can be."""
        return self._saved(self._rings.stop(occurrence_id, tell=tell))

    def stop_told(self, occurrence_id: str) -> None:
        """Forget that the cloud has to be told of a stop."""
        self._saved(self._rings.told(occurrence_id))

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
            kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
            turns = [(TurnId(str(turn)), OutcomeId(str(outcome))) for turn, outcome in kept["turns"]]
            revision = int(kept["directive_revision"])
            directives = [DirectiveId(str(directive)) for directive in kept.get("directives", ())]
            rings = RingBook.of(kept["rings"]) if "rings" in kept else RingBook()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return
        self._turns = OrderedDict(turns[-CAPACITY:])
        self._directives = dict.fromkeys(directives[-SEEN_CAPACITY:])
        self._rings = rings
        self.directive_revision = revision

    def _saved(self, changed: bool) -> bool:  # noqa: FBT001 - passes on whether there is something to save
        if changed:
            self._save()
        return changed

    def _save(self) -> None:
        if self._path is None:
            return
        kept = {
            "turns": list(self._turns.items()),
            "directive_revision": self.directive_revision,
            "directives": list(self._directives),
            "rings": self._rings.kept(),
        }
        try:
            _write(self._path, json.dumps(kept))
        except OSError as error:
            if not self._unwritten:
                _log.error("state_not_saved", code="state_not_saved", reason=error.strerror, path=str(self._path))
            self._unwritten = True
        else:
            self._unwritten = False


def _write(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
