"""Telling the cloud that an utterance has begun."""

from __future__ import annotations

import time

from earshot_device.bus import wire
from earshot_device.turns.parts import Parts, TurnRequest


async def announce(request: TurnRequest, parts: Parts) -> None:
    """Publish UtteranceStarted and repeat it until a stream has it; it carries the current trace.

    Raises:
        LinkLostError: No stream acknowledged in `publish_patience_s`.
        PermanentError: The stream refuses it.
    """
    settings = parts.settings
    address = settings.identity.address
    pre_roll_s = request.source.pre_roll_s
    utterance = wire.Utterance(
        turn_id=request.turn_id,
        boot_id=parts.boot_id,
        session_id=request.session_id,
        format=settings.capture_format,
        playback_format=settings.playback_format,
        # A microphone heard its pre-roll before this moment; of a file it is still to come.
        started_at=time.time() - (pre_roll_s if request.source.live else 0.0),
        clock_offset_s=0.0,
        trigger=request.trigger,
        wake_word=request.wake_word,
        pre_roll_s=pre_roll_s,
        time_zone=settings.time_zone,
        interrupted_outcome_id=request.interrupted_outcome_id,
        interim_results=settings.interim_results,
    )
    await parts.link.store(
        address.started(request.locale, settings.lane),
        wire.started(utterance),
        msg_id=address.turn_key(request.turn_id),
        headers={},
        patience_s=settings.publish_patience_s,
    )
