"""Automatic speech recognition: owns an utterance, endpoints it, transcribes it."""
