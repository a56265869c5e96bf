"""What a command prints: text for people, or one JSON document on stdout for programs."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from rich.console import Console, RenderableType

# A pipe or a file has no width; tables must not be cut for a terminal that isn't there.
_PIPED_WIDTH = 160


class Output:
    """Where a command's words go.

    Args:
        as_json: Print one JSON document at the end and nothing else on stdout; progress goes to stderr.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.progress = Console(stderr=True, highlight=False)
        self._people = Console(highlight=False, soft_wrap=True)
        if not self._people.is_terminal and "COLUMNS" not in os.environ:
            self._people.width = _PIPED_WIDTH

    @property
    def console(self) -> Console:
        """Where people read: stdout, or stderr when stdout belongs to the document."""
        return self.progress if self.as_json else self._people

    def show(self, *renderables: RenderableType) -> None:
        """Print for people; nothing when a program reads."""
        if not self.as_json:
            for renderable in renderables:
                self._people.print(renderable)

    def document(self, content: Any) -> None:
        """Print the document, if a program reads."""
        if self.as_json:
            write_json(content)


def write_json(content: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=2, default=str) + "\n")
    sys.stdout.flush()
