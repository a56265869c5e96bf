"""What can go wrong in recognition.

    EarshotError
    ├── RetryableError
    │   ├── WorkerDiedError          recognizer_worker_died: the process that decoded the utterance ended
    │   ├── RecognizerStoppedError   recognizer_stopped: the engine was stopped under the utterance
    │   ├── RecognizerUnavailableError  recognizer_unavailable: no process could be started
    │   ├── VocabularyMissingError   vocabulary_missing: no skill is registered in the locale yet
    │   └── OverloadedError
    │       └── RecognizerBusyError  recognizer_busy: every place is taken
    └── PermanentError
        ├── DecodingFailedError      decoding_failed: the decoder refused the audio of one utterance
        ├── StreamClosedError        stream_closed: the stream was finished or closed before
        ├── EndpointsMissingError    endpoints_missing: the engine is to end utterances, but it can't
        ├── EngineMissingError       engine_missing: the chosen engine's package is not installed
        ├── ModelMissingError        model_missing: a configured model directory lacks files
        ├── ModelUnusableError       model_unusable: its files are there, but the engine can not load them
        ├── VocabularyInvalidError   vocabulary_invalid: sentence templates that cannot be parsed
        └── InvalidInputError
            ├── UnsupportedLocaleError   unsupported_locale
            └── OddByteCountError        odd_byte_count: PCM that ends within a sample

The stage of all is "asr".
"""

from __future__ import annotations

from earshot_chassis.errors import InvalidInputError, OverloadedError, PermanentError, RetryableError


class WorkerDiedError(RetryableError):
    """The process that decoded the utterance ended; the audio can be recognised again."""

    code = "recognizer_worker_died"
    stage = "asr"


class RecognizerStoppedError(RetryableError):
    """The engine was stopped while the utterance was in progress."""

    code = "recognizer_stopped"
    stage = "asr"


class RecognizerUnavailableError(RetryableError):
    """No decoding process could be started."""

    code = "recognizer_unavailable"
    stage = "asr"


class VocabularyMissingError(RetryableError):
    """No skill with sentences in this locale is registered yet."""

    code = "vocabulary_missing"
    stage = "asr"


class RecognizerBusyError(OverloadedError):
    """Every place for an utterance is taken."""

    code = "recognizer_busy"
    stage = "asr"


class DecodingFailedError(PermanentError):
    """The decoder refused the audio of one utterance; the others are not affected."""

    code = "decoding_failed"
    stage = "asr"


class StreamClosedError(PermanentError):
    """The stream was finished or closed before."""

    code = "stream_closed"
    stage = "asr"


class EndpointsMissingError(PermanentError):
    """The engine is to end utterances, but does not find the end of speech."""

    code = "endpoints_missing"
    stage = "asr"


class EngineMissingError(PermanentError):
    """The package of the chosen engine is not installed."""

    code = "engine_missing"
    stage = "asr"


class ModelMissingError(PermanentError):
    """A configured model directory is not there or lacks files."""

    code = "model_missing"
    stage = "asr"


class ModelUnusableError(PermanentError):
    """A model's files are there, but the engine can not load them."""

    code = "model_unusable"
    stage = "asr"


class VocabularyInvalidError(PermanentError):
    """Sentence templates that cannot be parsed."""

    code = "vocabulary_invalid"
    stage = "asr"


class UnsupportedLocaleError(InvalidInputError):
    """The engine does not recognise this locale."""

    code = "unsupported_locale"
    stage = "asr"


class OddByteCountError(InvalidInputError):
    """PCM that ends within a sample."""

    code = "odd_byte_count"
    stage = "asr"
