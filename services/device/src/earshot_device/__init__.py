"""Reference device: microphone to loudspeaker, as a library."""

from earshot_device.device import Device, FollowUp
from earshot_device.events import AbandonReason, Trigger, WakeWord
from earshot_device.identity import Identity
from earshot_device.microphone import Microphone
from earshot_device.outcome import OutcomeKind, OutcomeSegment
from earshot_device.recognition import Final, Interim, RecognitionUpdate
from earshot_device.result import TurnResult
from earshot_device.settings import DeviceSettings
from earshot_device.sinks import LoudspeakerSink, NullSink, Sink, WavSink
from earshot_device.sources import AudioSource, NoiseFloor, SampleSource, file_source

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
