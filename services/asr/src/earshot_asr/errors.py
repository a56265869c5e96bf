"""What can go wrong with an utterance before an engine sees it; engines have `engines.errors`.

OverloadedError
└── QuotaExceededError           quota_exceeded: the household used up what it may use, for now
PermanentError
├── RecognitionTimeoutError      recognition_timeout: the engine had no result in time
└── InvalidInputError
    ├── UtteranceTooLargeError   utterance_too_large: more bytes than one utterance may have
    ├── UtteranceRefusedError    unsupported_contract_version, invalid_turn_id, the codes of earshot_audio, …
    └── AudioLostError           audio_lost: frames stopped coming
"""

from __future__ import annotations

from earshot_chassis.errors import InvalidInputError, OverloadedError, PermanentError


class RecognitionTimeoutError(PermanentError):
    """The engine had no result in time; trying again would only keep it busier."""

    code = "recognition_timeout"
    stage = "asr"


class UtteranceRefusedError(InvalidInputError):
    """The utterance can't be recognised, whoever tries."""

    code = "utterance_refused"
    stage = "asr"


class AudioLostError(InvalidInputError):
    """An utterance was announced, and not all of it came."""

    code = "audio_lost"
    stage = "asr"


class UtteranceTooLargeError(InvalidInputError):
    """An utterance has more bytes than one may have."""

    code = "utterance_too_large"
    stage = "asr"


class QuotaExceededError(OverloadedError):
    """The household used up what it may use: the same is served again a little later."""

    code = "quota_exceeded"
    stage = "asr"
