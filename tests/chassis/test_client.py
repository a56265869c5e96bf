"""Headers, read by our client as by nats-py's."""

from __future__ import annotations

import pytest
from nats.aio.client import Client

from earshot_chassis.client import QuickClient


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"traceparent: 00-aa-bb-01\r\nNats-Sequence:12\r\n\r\n",
        b"A:\t spaced \t\r\nB:\r\nC : before\r\n\r\n",
        b"no colon\r\nname with space: x\r\ntab\tin: x\r\nfine: yes\r\n\r\n",
        b": nameless\r\nTwice: 1\r\nTwice: 2\r\ntwice: 3\r\n\r\n",
        "Label: 早上好\r\nNämé: x\r\n\r\n".encode(),
        b"Broken: \xff\xfe\r\n\xff: x\r\nUrl: a:b:c\r\n\r\n",
    ],
)
def test_headers_say_what_they_say_to_nats_py(raw: bytes) -> None:
    """Whatever a sender wrote: names with spaces, no value, no name, other bytes than UTF-8."""
    assert QuickClient._parse_header_lines(raw) == Client._parse_header_lines(raw)
