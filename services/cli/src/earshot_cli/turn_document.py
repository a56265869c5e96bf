"""A spoken turn as one document: what --json prints, and what `report` shows people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earshot_device.turns.result import TurnResult

if TYPE_CHECKING:
    from earshot_cli.spoken import Speaker
    from earshot_cli.traces import Traced


def describe(said: str, speaker: Speaker, result: TurnResult, wav: str, traced: Traced | None) -> dict[str, Any]:
    """Put a turn together. Times are in seconds after the end of speech."""
    understood = next((segment.understanding for segment in result.segments if segment.understanding), None)
    reason = next((segment.error for segment in result.segments if segment.error), None)
    intent = next((segment.intent for segment in result.segments if segment.intent), "")
    return {
        "turn_id": result.turn_id,
        "trace_id": result.trace_id,
        "household": speaker.household,
        "device": speaker.device,
        "locale": speaker.locale,
        "said": said,
        "interim": [interim.transcript for interim in result.interims],
        "transcript": result.transcript,
        "confidence": result.final.confidence if result.final else None,
        "kind": result.kind.value if result.kind else None,
        "reason": {"code": reason.code, "message": reason.message, "stage": reason.stage} if reason else None,
        "intent": intent or (understood.intent if understood else ""),
        "slots": {slot.name: slot.value for slot in understood.slots} if understood else {},
        "answer": result.answer_text,
        "answer_wav": wav,
        "first_audio_s": result.first_audio_s,
        "end_of_speech_s": result.end_of_speech_s,
        "expects_reply": result.expects_reply,
        "abandoned": result.abandoned.value if result.abandoned else None,
        "errors": [{"code": error.code, "message": error.message, "stage": error.stage} for error in result.errors],
        "spans": list(traced.spans) if traced else [],
        "marks": list(traced.marks) if traced else [],
    }
