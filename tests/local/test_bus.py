"""The topology on a stack's bus."""

from dataclasses import replace

import nats

from earshot_local import Stack
from earshot_topology.apply import apply


async def test_a_folder_of_an_older_version_is_brought_up_to_date(tmp_path):
    """Streams and buckets that were declared otherwise when the folder was made become what is declared now."""
    async with Stack(home=tmp_path, services=(), tracestore=False) as stack:
        admin = await nats.connect(stack.nats_url, user_credentials=str(stack.creds("admin")))
        jetstream = admin.jetstream()
        bucket, stream = [await jetstream.stream_info(name) for name in ("KV_SKILL_STATES", "OUTCOMES")]
        await jetstream.update_stream(replace(bucket.config, allow_direct=False))
        await jetstream.update_stream(replace(stream.config, max_bytes=1 << 20))
        await apply(jetstream)
        assert (await jetstream.stream_info("KV_SKILL_STATES")).config == bucket.config
        assert (await jetstream.stream_info("OUTCOMES")).config == stream.config
        await admin.close()
