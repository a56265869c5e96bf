"""Addresses of tracks that nobody can guess, and that end.

/media/<expiry>.<signature>/<track id><suffix>: the signature covers the expiry and the track, so an address can be
neither made up nor extended, and the path names no file.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from earshot_skill_music.library import Track

_PASS = re.compile(r"(\d{1,12})\.([0-9a-f]{32})")


class Links:
    """Signs and checks addresses.

    Args:
        secret: At least 16 bytes; replicas behind one address share it.
        lifetime_s: How long an address is good for, in seconds.

    Raises:
        ValueError: The secret is too short.
    """

    def __init__(self, secret: bytes, *, lifetime_s: float) -> None:
        if len(secret) < 16:
            raise ValueError("the secret must have at least 16 bytes")
        self._secret = secret
        self._lifetime_s = lifetime_s

    def path(self, track: Track, *, now: float) -> str:
        """Return a track's path; `now` is in seconds since 1970."""
        expiry = int(now + self._lifetime_s)
        return f"/media/{expiry}.{self._sign(expiry, track.track_id)}/{track.track_id}{track.path.suffix.lower()}"

    def admits(self, ticket: str, track_id: str, *, now: float) -> bool:
        """Whether a path's second part was signed for the track and has not ended."""
        match = _PASS.fullmatch(ticket)
        if match is None:
            return False
        expiry = int(match.group(1))
        return hmac.compare_digest(match.group(2), self._sign(expiry, track_id)) and now <= expiry

    def _sign(self, expiry: int, track_id: str) -> str:
        return hmac.new(self._secret, f"{expiry}/{track_id}".encode(), hashlib.sha256).hexdigest()[:32]
