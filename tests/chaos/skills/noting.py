"""Takes a note and reads it, from what the dialogue's own session keeps for it: a session that is lost is an empty note."""

from __future__ import annotations

from pathlib import Path

from earshot_skillkit import Reply, Request, Skill, intent

FOLDER = Path(__file__).parent / "note"
_KEY = "code"


class Note(Skill):
    """Keeps nothing itself."""

    @intent("take")
    async def take(self, request: Request) -> Reply:
        """Keep the code for the dialogue's next turns."""
        code = request.text("code")
        if code is None:
            return request.ask("code")
        return request.respond("taken", code=code, context={_KEY: code})

    @intent("read")
    async def read(self, request: Request) -> Reply:
        """Say what was kept."""
        code = request.context.get(_KEY)
        return request.respond("note", code=code) if code else request.respond("empty")
