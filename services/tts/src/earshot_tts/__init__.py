"""Text to speech: sentence-wise streaming synthesis, paced to the device."""
