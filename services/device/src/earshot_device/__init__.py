"""Reference device: microphone to loudspeaker, as a library."""

from earshot_device.core.events import AbandonReason, Trigger, WakeWord
from earshot_device.core.outcome import OutcomeKind, OutcomeSegment
from earshot_device.core.recognition import Final, Interim, RecognitionUpdate
from earshot_device.device import Device, FollowUp
from earshot_device.identity import Identity
from earshot_device.settings import DeviceSettings
from earshot_device.sound.microphone import Microphone
from earshot_device.sound.sinks import LoudspeakerSink, NullSink, Sink, WavSink
from earshot_device.sound.sources import AudioSource, NoiseFloor, SampleSource, file_source
from earshot_device.turns.result import TurnResult

__all__ = [
    "AbandonReason",
    "AudioSource",
    "Device",
    "DeviceSettings",
    "Final",
    "FollowUp",
    "Identity",
    "Interim",
    "LoudspeakerSink",
    "Microphone",
    "NoiseFloor",
    "NullSink",
    "OutcomeKind",
    "OutcomeSegment",
    "RecognitionUpdate",
    "SampleSource",
    "Sink",
    "Trigger",
    "TurnResult",
    "WakeWord",
    "WavSink",
    "file_source",
]
