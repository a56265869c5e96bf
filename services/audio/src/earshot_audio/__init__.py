"""Audio formats on the wire: Opus and PCM16, resampling, framing, WAV. No protobuf, no network."""

from earshot_audio.decoding import FrameDecoder
from earshot_audio.encoding import FrameEncoder
from earshot_audio.errors import AudioError, MalformedAudioError, UnsupportedFormatError
from earshot_audio.formats import Encoding, Format
from earshot_audio.resampling import Resampler
from earshot_audio.wav import read_wav, write_wav

__all__ = [
    "AudioError",
    "Encoding",
    "Format",
    "FrameDecoder",
    "FrameEncoder",
    "MalformedAudioError",
    "Resampler",
    "UnsupportedFormatError",
    "read_wav",
    "write_wav",
]
