"""Runs an image in a stack's place for one of its services: python contained.py <specification>.

Of the environment that the stack gives its services, what is theirs goes on to the container; the addresses to listen on are
the image's own. The credentials are where a deployment mounts them.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy"))

from images import contain

_CREDENTIALS = "EARSHOT_NATS_CREDENTIALS"
_MOUNTED = "/run/earshot/bus/user.creds"
_IMAGES_OWN = ("EARSHOT_GRPC_HOST", "EARSHOT_HTTP_HOST", "EARSHOT_MODELS")


def main() -> None:
    """Run it."""
    specification = contain.Specification(**json.loads(Path(sys.argv[1]).read_text()))
    given = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("EARSHOT_", "OTEL_")) and name not in _IMAGES_OWN
    }
    files = {_MOUNTED: given[_CREDENTIALS]}
    given[_CREDENTIALS] = _MOUNTED
    code = contain.run(
        replace(specification, environment={**specification.environment, **given}, files=files),
    )
    raise SystemExit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
