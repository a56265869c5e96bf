"""A file behind HTTP that decoders can seek in: fetched by range requests, block by block.

Used from a thread: decoders read synchronously. They call from C, where an exception is lost, so a read that fails looks
like the end of the file and `failure` says what happened.
"""

from __future__ import annotations

import io
import re
import time
from collections import OrderedDict

import httpx

from earshot_device.errors import MediaError

BLOCK_BYTES = 128 * 1024
_KEPT_BLOCKS = 8
_ATTEMPTS = 3
_RETRY_WAIT_S = 0.2
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class RangedFile(io.RawIOBase):
    """A read-only, seekable file at a URL.

    Args:
        url: http or https.
        client: Makes the requests; closed by whoever made it.

    Raises:
        MediaError: `media_unavailable`: the server can't be reached, refuses, or knows no ranges.
    """

    def __init__(self, url: str, client: httpx.Client) -> None:
        super().__init__()
        self._url = url
        self._client = client
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._position = 0
        self.size = 0
        self.failure: MediaError | None = None
        self._block(0)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset and return the new position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        """Fill a buffer as far as the file goes and return how many bytes that were."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        filled = 0
        while filled < len(view) and self._position < self.size and self.failure is None:
            try:
                block = self._block(self._position // BLOCK_BYTES)
            except MediaError as error:
                self.failure = error
                break
            begin = self._position % BLOCK_BYTES
            part = block[begin : begin + len(view) - filled]
            view[filled : filled + len(part)] = part
            filled += len(part)
            self._position += len(part)
        return filled

    def _block(self, index: int) -> bytes:
        held = self._blocks.get(index)
        if held is not None:
            self._blocks.move_to_end(index)
            return held
        first = index * BLOCK_BYTES
        response = self._get(first)
        content_range = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if response.status_code != httpx.codes.PARTIAL_CONTENT or content_range is None:
            raise MediaError(f"the media server answered {response.status_code} to a range request")
        self.size = int(content_range.group(3))
        expected = int(content_range.group(2)) - first + 1
        if int(content_range.group(1)) != first or len(response.content) != expected:
            raise MediaError("the media server sent another range than was asked for")
        self._blocks[index] = response.content
        if len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return response.content

    def _get(self, first: int) -> httpx.Response:
        wanted = {"Range": f"bytes={first}-{first + BLOCK_BYTES - 1}"}
        for attempt in range(_ATTEMPTS):
            try:
                return self._client.get(self._url, headers=wanted)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if attempt + 1 == _ATTEMPTS:
                    raise MediaError(f"the media server can't be reached: {type(error).__name__}") from error
                time.sleep(_RETRY_WAIT_S)
        raise AssertionError("unreachable")
