"""The state folder: where keys, credentials, storage, logs and the description of the running stack are.

.earshot/
  keys.json            seeds that sign everything (0600)
  keys.older.json      what an older version had in its place
  issued.jsonl         users that were made of them, by their public keys
  standing.json        which of them are let in no more
  credentials/         <role>.creds, devices/<household>/<device>.creds (0600)
  nats/                nats-server's configuration and JetStream's files
  logs/                one file a process
  traces.sqlite        the trace store
  absences.jsonl       when skills were away
  answers/             what devices played, as WAV
  music/               sample tunes
  lock                 held by the running stack
  stack.json           where the running stack listens
  status.json          its processes and how they are
  control.sock         where it takes commands
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from earshot_local.errors import NotRunningError


def default_home(environment: Mapping[str, str]) -> Path:
    """Return the folder that EARSHOT_HOME names, or .earshot in the working directory."""
    named = environment.get("EARSHOT_HOME")
    return (Path(named) if named else Path(".earshot")).absolute()


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Where a running stack listens: what a command in another terminal needs to use it."""

    pid: int
    nats_url: str
    traces_url: str
    otlp_endpoint: str
    grpc: dict[str, str]
    http: dict[str, list[str]]
    nodes: int = 1
    nats_ca: str = ""


@dataclass(frozen=True, slots=True)
class Home:
    """The state folder's layout."""

    root: Path

    @property
    def keys(self) -> Path:
        """Seeds."""
        return self.root / "keys.json"

    @property
    def older_keys(self) -> Path:
        """Seeds, as an older version kept them."""
        return self.root / "keys.older.json"

    @property
    def issued(self) -> Path:
        """Users that were made."""
        return self.root / "issued.jsonl"

    @property
    def standing(self) -> Path:
        """Users that are let in no more, and signing keys that still are."""
        return self.root / "standing.json"

    @property
    def trust(self) -> Path:
        """What the stack's own nats-servers are told of whom to let in."""
        return self.nats / "trust.conf"

    @property
    def credentials(self) -> Path:
        """Credentials files."""
        return self.root / "credentials"

    @property
    def nats(self) -> Path:
        """The server's configuration and storage."""
        return self.root / "nats"

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.root / "logs"

    def log_of(self, process: str) -> Path:
        """What a process writes."""
        return self.logs / f"{process}.log"

    @property
    def control(self) -> Path:
        """Where the running stack takes commands."""
        return self.root / "control.sock"

    @property
    def traces(self) -> Path:
        """The trace store's database."""
        return self.root / "traces.sqlite"

    @property
    def music(self) -> Path:
        """What the music skill renders."""
        return self.root / "music"

    @property
    def answers(self) -> Path:
        """What devices played."""
        return self.root / "answers"

    @property
    def absences(self) -> Path:
        """When skills were away."""
        return self.root / "absences.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the running stack."""
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """Where the running stack listens."""
        return self.root / "stack.json"

    @property
    def status(self) -> Path:
        """The running stack's processes."""
        return self.root / "status.json"

    def make(self) -> None:
        """Create the folders, readable by this user alone."""
        for folder in (self.root, self.credentials, self.nats, self.logs, self.answers):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def running(self) -> Running:
        """Describe the stack that runs from this folder.

        Raises:
            NotRunningError: None does.
        """
        try:
            running = Running(**json.loads(self.state.read_text()))
            os.kill(running.pid, 0)
        except (OSError, ValueError, TypeError) as error:
            raise NotRunningError(f"no stack is running from {self.root}; start one with: earshot up") from error
        return running

    def write_state(self, running: Running) -> None:
        """Publish where the stack listens."""
        _replace(self.state, asdict(running))

    def write_status(self, processes: Sequence[Mapping[str, Any]]) -> None:
        """Publish how the stack's processes are."""
        _replace(self.status, processes)

    def processes(self) -> list[dict[str, Any]]:
        """Tell how the running stack's processes are; none of one that runs elsewhere."""
        try:
            found: list[dict[str, Any]] = json.loads(self.status.read_text())
        except FileNotFoundError:
            return []
        return found


def _replace(path: Path, content: object) -> None:
    """Write a JSON file that whoever reads it finds whole."""
    replacement = path.with_suffix(".new")
    replacement.write_text(json.dumps(content, indent=2))
    replacement.replace(path)
