"""What can go wrong on a device.

EarshotError (stage "device")
├── LinkLostError            network_lost             retryable: the bus did not acknowledge in time
├── CredentialRefusedError   credential_refused | credential_missing   permanent: the bus does not know the device
├── SpeechLostError          speech_lost              retryable: an answer's frames stopped coming
├── AudioInputError          audio_input_unavailable | unreadable_audio  permanent: no microphone; a file that is no audio
├── AudioOutputError         audio_output_unavailable permanent: no loudspeaker
├── MediaError               media_unavailable | media_undecodable
├── DirectiveError           unknown_directive | directive_expired | not_supported
├── RequestRefusedError      the answer's code        a request is answered with an error
├── MalformedMessageError    malformed_message        permanent: bytes from the cloud that can't be read
├── UtteranceRefusedError    invalid_utterance | empty_utterance  permanent: an utterance that can't be sent
└── NotConnectedError        not_connected            permanent: the device is not open
"""

from __future__ import annotations

from earshot_chassis.errors import EarshotError, InvalidInputError, PermanentError, RetryableError


class LinkLostError(RetryableError):
    """The bus did not acknowledge within the time that was given."""

    code = "network_lost"
    stage = "device"


class CredentialRefusedError(PermanentError):
    """The bus does not accept the device's credential, or its file is missing (`credential_missing`).

    Or it is not known who vouches for the bus: a file of authorities that can't be read (`authorities_unreadable`).
    """

    code = "credential_refused"
    stage = "device"


class SpeechLostError(RetryableError):
    """An answer's frames stopped coming before its last one."""

    code = "speech_lost"
    stage = "device"


class AudioInputError(PermanentError):
    """There is nothing to listen to, or a file that is no audio (`unreadable_audio`)."""

    code = "audio_input_unavailable"
    stage = "device"


class AudioOutputError(PermanentError):
    """There is nothing to play on."""

    code = "audio_output_unavailable"
    stage = "device"


class MediaError(PermanentError):
    """A media item can't be fetched (`media_unavailable`) or decoded (`media_undecodable`)."""

    code = "media_unavailable"
    stage = "device"


class DirectiveError(PermanentError):
    """A directive can't be carried out: `unknown_directive`, `directive_expired` or `not_supported`."""

    code = "unknown_directive"
    stage = "device"


class RequestRefusedError(EarshotError):
    """The cloud answers a request with an error; the code is the cloud's, which says whether asking again helps."""

    code = "request_refused"
    stage = "device"


class MalformedMessageError(InvalidInputError):
    """Bytes from the cloud are not the message that their subject promises."""

    code = "malformed_message"
    stage = "device"


class UtteranceRefusedError(InvalidInputError):
    """An utterance can't be sent: its samples are not mono int16, its rate is not supported, or there are none (`empty_utterance`)."""

    code = "invalid_utterance"
    stage = "device"


class NotConnectedError(PermanentError):
    """The device was used before `async with` opened it, or after it closed."""

    code = "not_connected"
    stage = "device"
