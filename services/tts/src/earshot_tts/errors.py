"""What the tts stage refuses.

InvalidInputError (chassis)
└── SpeechError         empty_text, text_too_long, unknown_locale, unknown_voice, unsupported_encoding,
                        unsupported_sample_rate, unsupported_channel_count, too_many_words,
                            word_too_long, phonemes_unsupported, invalid_subject, invalid_id, malformed_frame
RetryableError (chassis)
└── EngineError         engine_failed: the engine broke while it spoke
PermanentError (chassis)
└── EngineUnavailableError   engine_unavailable: the configured engine can't be used at all; said at start
"""

from __future__ import annotations

from earshot_chassis.errors import InvalidInputError, PermanentError, RetryableError

STAGE = "tts"


class SpeechError(InvalidInputError):
    """Something that can't be spoken as it was asked for."""

    stage = STAGE


class EngineError(RetryableError):
    """The engine failed; the same words may succeed later or elsewhere."""

    code = "engine_failed"
    stage = STAGE


class EngineUnavailableError(PermanentError):
    """The engine can't be used: a library, a file or a setting is missing."""

    code = "engine_unavailable"
    stage = STAGE
