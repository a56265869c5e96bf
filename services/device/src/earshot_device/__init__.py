"""Reference device: microphone to loudspeaker, as a library."""
