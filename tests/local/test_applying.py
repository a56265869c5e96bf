"""`python -m earshot_topology.apply`, on a real nats-server."""

import asyncio
import os
import subprocess
import sys

from earshot_local import Stack
from earshot_topology.streams import BUCKETS, CONSUMERS, OBJECT_STORES, STREAMS
from support.nats import NatsServer, free_port


async def apply(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a URL in its environment."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "earshot_topology.apply", *arguments],
        env={**os.environ, "EARSHOT_NATS_URL": url, "EARSHOT_NATS_CREDENTIALS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


async def test_the_command_creates_everything_once_and_then_changes_nothing(tmp_path):
    """The first run creates each declaration, the second finds it unchanged, one that was altered is brought back."""
    server = NatsServer(port=free_port(), storage=tmp_path)
    server.start()
    try:
        await server.ready()
        first = await apply(url=server.url)
        assert first.returncode == 0, first.stderr
        created = first.stdout.splitlines()
        assert len(created) == sum(map(len, (STREAMS, CONSUMERS, BUCKETS, OBJECT_STORES)))
        assert all(line.endswith(": created") for line in created)
        assert "stream TURNS: created" in created
        second = await apply("--url", server.url, "--replicas", "1", url="nats://127.0.0.1:1")
        assert second.stdout == first.stdout.replace(": created", ": unchanged")
        client = await server.connect()
        config = (await client.jetstream().stream_info("OUTCOMES")).config
        await client.jetstream().update_stream(config.evolve(max_bytes=1 << 20))
        await client.close()
        third = await apply(url=server.url)
        assert [line for line in third.stdout.splitlines() if not line.endswith(": unchanged")] == [
            "stream OUTCOMES: updated"
        ]
    finally:
        server.kill()


async def test_an_unreachable_server_is_one_sentence():
    """Exit code 1 and a line that names the server."""
    url = f"nats://127.0.0.1:{free_port()}"
    result = await apply(url=url)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert url in result.stderr


async def test_a_user_who_may_not_is_told_so(tmp_path):
    """The server's reason is in the sentence, not only that nothing answered."""
    async with Stack(home=tmp_path, services=(), tracestore=False) as stack:
        assert (await apply("--credentials", str(stack.creds("admin")), url=stack.nats_url)).returncode == 0
        result = await apply("--credentials", str(stack.creds("nlu")), url=stack.nats_url)
    assert result.returncode == 1
    assert "permissions violation" in result.stderr.lower()
    assert len(result.stderr.splitlines()) == 1
