"""PortAudio, which sounds come and go through where there is a sound card; needed by nothing else."""

from __future__ import annotations

from typing import Any

from earshot_device.errors import AudioInputError, AudioOutputError


def sound_library(error: type[AudioInputError | AudioOutputError]) -> Any:
    """Return the sounddevice module.

    Raises:
        AudioInputError: It, or PortAudio beneath it, is missing (or AudioOutputError, whichever is asked for).
    """
    try:
        import sounddevice  # noqa: PLC0415 - loads PortAudio, which most machines in a fleet's cloud have not got
    except ModuleNotFoundError as missing:
        raise error("sound needs the Python package sounddevice: pip install 'earshot-device[sound]'") from missing
    except OSError as missing:
        raise error("sound needs PortAudio, which is missing: on Debian, apt install libportaudio2") from missing
    return sounddevice
