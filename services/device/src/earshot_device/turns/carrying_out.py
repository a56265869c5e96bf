"""Carrying out directives: each ends in an acknowledgement or a failure, never in an exception."""

from __future__ import annotations

import time
from collections.abc import Callable

from earshot_chassis import telemetry
from earshot_chassis.errors import EarshotError
from earshot_device.core.directives import (
    Directive,
    Listen,
    Pause,
    Play,
    Resume,
    Ring,
    SetVolume,
    Speak,
    Stop,
    StopRing,
    StopSpeech,
)
from earshot_device.core.events import DirectiveAcknowledged, DirectiveFailed
from earshot_device.core.ids import OutcomeId
from earshot_device.errors import DirectiveError
from earshot_device.media.player import MediaPlayer
from earshot_device.sound.output import Output
from earshot_device.turns.rings import Rings, is_the_schedulers

_log = telemetry.logger("device.directives")


class DirectiveRunner:
    """Carries out every directive but Speak, which belongs to the turn that is spoken.

    Args:
        output: The loudspeaker, for the volume.
        media: The media player.
        rings: What rings.
        changed: Called when the device's state has changed.
        listen: Called with a Listen directive.
        stop_speech: Called with an outcome that is not to be spoken any further.
    """

    def __init__(
        self,
        *,
        output: Output,
        media: MediaPlayer,
        rings: Rings,
        changed: Callable[[], None],
        listen: Callable[[Listen], None],
        stop_speech: Callable[[OutcomeId], None],
    ) -> None:
        self._output = output
        self._media = media
        self._rings = rings
        self._changed = changed
        self._listen = listen
        self._stop_speech = stop_speech

    async def run(self, directive: Directive) -> DirectiveAcknowledged | DirectiveFailed:
        """Carry a directive out and return what to tell the cloud."""
        try:
            await self._obey(directive)
        except EarshotError as error:
            return DirectiveFailed(
                directive_id=directive.directive_id, code=error.code, message=str(error), retryable=error.retryable
            )
        except Exception as error:  # noqa: BLE001 - one directive must not end the ones that follow
            _log.error("directive_failed", exc_info=error)
            return DirectiveFailed(directive_id=directive.directive_id, code="internal", message="internal error")
        return DirectiveAcknowledged(directive_id=directive.directive_id, revision=directive.revision)

    async def _obey(self, directive: Directive) -> None:  # noqa: C901 - one case a command
        if directive.expire_at is not None and time.time() > directive.expire_at:
            raise DirectiveError("it came too late", code="directive_expired")
        match directive.command:
            case Play(items=items, enqueue=enqueue):
                await self._media.play(items, enqueue=enqueue)
            case Pause():
                self._media.pause()
            case Resume():
                self._media.resume()
            case Stop():
                await self._media.stop()
            case SetVolume(percent=percent, delta=delta):
                self._output.change_volume(percent=percent, delta=delta)
                self._changed()
            case Listen() as listen:
                self._listen(listen)
            case Ring() as ring:
                self._rings.ring(ring, directive.expire_at)
            case StopRing(occurrence_id=occurrence_id):
                await self._rings.stop(occurrence_id, tell=not is_the_schedulers(directive))
            case StopSpeech(outcome_id=outcome_id):
                self._stop_speech(outcome_id)
            case Speak():
                raise DirectiveError("there is nothing to speak outside an outcome", code="not_supported")
            case None:
                raise DirectiveError("this device does not know the command")
