"""A connection that reads headers faster: nats-py looks at every character of every name by itself."""

from __future__ import annotations

from nats.aio.client import Client


class QuickClient(Client):
    """nats-py's client; what a message's headers say is the same."""

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        headers: dict[str, str] = {}
        for line in raw.split(b"\r\n"):
            name, colon, value = line.partition(b":")
            if not colon or not name.isascii():
                continue
            key = name.strip().decode()
            if len(key.split()) <= 1:
                headers[key] = value.strip().decode("utf-8", "replace")
        return headers
