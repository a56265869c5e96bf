"""A process that behaves like a service, for the supervisor's tests. Run by path, not imported.

Arguments: any of `crash` (end by itself at once), `broken` (likewise, until there is a file $DUMMY_MENDED), `mute` (never
become ready), `spoiled` (do as the file $DUMMY_SPOILED says, if there is one), `stubborn` (ignore SIGTERM), `family` (start a process of its own and write its id to $DUMMY_CHILD).
"""

import http.server
import os
import signal
import subprocess
import sys
from pathlib import Path

MODES = set(sys.argv[1:])
SPOILED = Path(os.environ.get("DUMMY_SPOILED", "none"))
if "spoiled" in MODES and SPOILED.exists():
    MODES.add(SPOILED.read_text())


class Ready(http.server.BaseHTTPRequestHandler):
    """Answers every request with 200."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


sys.stdout.write(f"dummy {os.environ['EARSHOT_INSTANCE_ID']}\n")
if "crash" in MODES or ("broken" in MODES and not Path(os.environ["DUMMY_MENDED"]).exists()):
    raise SystemExit("the reason of the crash")
signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in MODES else lambda *_: sys.exit(0))
if "family" in MODES:
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(1000)"])
    Path(os.environ["DUMMY_CHILD"]).write_text(str(child.pid))
if "mute" in MODES:
    signal.pause()
http.server.HTTPServer(("127.0.0.1", int(os.environ["EARSHOT_HTTP_PORT"])), Ready).serve_forever()
