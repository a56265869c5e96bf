"""A supervisor in a process of its own, for tests that end it from outside. Run by path, not imported.

Arguments: the state folder. Prints one line of process ids once everything is ready, then waits.
"""

import asyncio
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from earshot_local import Stack
from support.stacks import dummy


async def main() -> None:
    """Run until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Stack(home=Path(sys.argv[1]), services=(dummy(),), tracestore=False) as stack:
        await stack.ready(10)
        sys.stdout.write(" ".join(str(child.pid) for child in stack.processes.values()) + "\n")
        sys.stdout.flush()
        await stop.wait()


asyncio.run(main())
