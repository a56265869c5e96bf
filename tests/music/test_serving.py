from __future__ import annotations

import time

import httpx
import pytest

from earshot_skill_music.library import Library
from earshot_skill_music.links import Links
from earshot_skill_music.serving import MediaServer, application

SECRET = b"0123456789abcdef"


class Served:
    """A library that is served, its bytes, and a client."""

    def __init__(self, library, client, links):
        self.track = library.tracks[-1]
        self.other = library.tracks[0]
        self.content = self.track.path.read_bytes()
        self.client = client
        self.links = links
        self.path = links.path(self.track, now=time.time())


@pytest.fixture
async def served(library):
    """Serve the library on a free port."""
    links = Links(SECRET, lifetime_s=60)
    server = MediaServer(application(library, links), host="127.0.0.1", port=0)
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        yield Served(library, client, links)
    await server.stop()


async def test_a_whole_file_is_served(served):
    """Without a range the answer is the file, and says that ranges are known."""
    response = await served.client.get(served.path)
    assert response.status_code == 200
    assert response.content == served.content
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["content-type"] == "audio/flac"
    assert response.headers["cache-control"] == "private, no-store"
    head = await served.client.head(served.path)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(served.content)))
    assert head.content == b""


@pytest.mark.parametrize(
    ("wanted", "begin", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=5000-", 5000, None),
        ("bytes=-300", -300, None),
        ("bytes=100-999999999", 100, None),
    ],
)
async def test_a_range_is_served(served, wanted, begin, end):
    """A first, middle, open, suffix and overlong range bring those bytes and say which they are."""
    response = await served.client.get(served.path, headers={"Range": wanted})
    expected = served.content[begin:end]
    assert response.status_code == 206
    assert response.content == expected
    first = begin if begin >= 0 else len(served.content) + begin
    size = len(served.content)
    assert response.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{size}"


async def test_a_range_beyond_the_end_is_refused(served):
    """A range that begins behind the file's end is 416 and tells the size."""
    size = len(served.content)
    response = await served.client.get(served.path, headers={"Range": f"bytes={size}-"})
    assert response.status_code == 416
    assert response.headers["content-range"].endswith(f"*/{size}")


@pytest.mark.parametrize("wanted", ["bytes=", "bytes=a-b", "lines=1-2", "bytes=9-1", "bytes=--5"])
async def test_a_malformed_range_is_no_crash(served, wanted):
    """A header that is no range is refused or ignored."""
    response = await served.client.get(served.path, headers={"Range": wanted})
    assert response.status_code in {200, 400, 416}
    assert (await served.client.get(served.path)).status_code == 200


async def test_addresses_can_not_be_guessed(served):
    """Without the right signature for exactly this track there is nothing, whatever the path tries."""
    ticket = served.path.split("/")[2]
    expiry, signature = ticket.split(".")
    own, other = served.track.track_id, served.other.track_id
    for path in (
        "/",
        "/media",
        f"/media/{own}.flac",
        f"/media/{ticket}/{other}.flac",
        f"/media/{int(expiry) + 1}.{signature}/{own}.flac",
        f"/media/{expiry}.{'0' * 32}/{own}.flac",
        f"/media/{expiry}/{own}.flac",
        f"/media/{ticket}/nothing.flac",
    ):
        assert (await served.client.get(path)).status_code == 404, path
    assert (await served.client.post(served.path)).status_code == 405


@pytest.mark.parametrize(
    "tail",
    [
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "....//etc/passwd",
        "%00",
        "a\\..\\b",
        "/etc/passwd",
    ],
)
async def test_no_path_leads_to_another_file(served, tail):
    """Traversal in every spelling finds nothing."""
    ticket = served.path.split("/")[2]
    # A raw request: clients normalise such paths away.
    url = served.client.base_url.copy_with(raw_path=f"/media/{ticket}/{tail}".encode())
    response = await served.client.send(httpx.Request("GET", url))
    assert response.status_code == 404


async def test_a_file_that_is_gone_is_not_found(tmp_path, samples):
    """A track whose file was removed after the scan is 404."""
    from earshot_skill_music.scanning import scan  # noqa: PLC0415

    copy = tmp_path / "x.flac"
    copy.write_bytes(next(samples.iterdir()).read_bytes())
    library = scan((tmp_path,))
    copy.unlink()
    links = Links(SECRET, lifetime_s=60)
    server = MediaServer(application(library, links), host="127.0.0.1", port=0)
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        path = links.path(library.tracks[0], now=time.time())
        assert (await client.get(path)).status_code == 404
    await server.stop()


def test_addresses_end(library):
    """An address is good for its lifetime; one of another secret is none; a short secret is refused."""
    track = library.tracks[0]
    links = Links(SECRET, lifetime_s=60)
    ticket = links.path(track, now=1000).split("/")[2]
    assert links.admits(ticket, track.track_id, now=1060)
    assert not links.admits(ticket, track.track_id, now=1061)
    assert not Links(b"another secret..", lifetime_s=60).admits(ticket, track.track_id, now=1000)
    with pytest.raises(ValueError, match="16 bytes"):
        Links(b"short", lifetime_s=60)


async def test_a_port_in_use_is_an_error():
    """A fixed port that somebody else has is an OSError at the start."""
    links = Links(SECRET, lifetime_s=60)
    first = MediaServer(application(Library(()), links), host="127.0.0.1", port=0)
    await first.start()
    with pytest.raises(OSError, match="in use"):
        await MediaServer(application(Library(()), links), host="127.0.0.1", port=first.port).start()
    await first.stop()
    await first.stop()
