"""The world outside, as a process of its own: takes effects over HTTP and writes each down before it answers.

Usage: python outside.py PORT FILE

POST /<target> {"code": words, "key": idempotency key}. The target "list" does a thing once for one key, all others do it
as often as they are told. Faults are asked for in the words: "dropped" drops the first connection of a key after the
effect, "slow" answers a key's first connection after two seconds, others after one.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HONOURS_KEYS = "list"


class Handler(BaseHTTPRequestHandler):
    lock = threading.Lock()
    seen: set[tuple[str, str]] = set()  # noqa: RUF012 - one server a process
    record: Path

    def do_POST(self) -> None:
        """Have the effect, then answer."""
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        target, key = self.path.strip("/"), told["key"]
        with self.lock:
            first = (target, key) not in self.seen
            self.seen.add((target, key))
            if first or target != HONOURS_KEYS:
                with self.record.open("a") as record:
                    record.write(json.dumps({"target": target, "code": told["code"], "key": key}) + "\n")
                    record.flush()
                    os.fsync(record.fileno())
        if "slow" in told["code"]:
            # Long enough for a busy machine to kill or freeze whoever waits, and well within its patience.
            time.sleep(2.0 if first else 1.0)
        if "dropped" in told["code"] and first:
            self.connection.close()
            return
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    Handler.record = Path(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
