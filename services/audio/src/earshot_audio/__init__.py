"""Audio formats on the wire: Opus and PCM16, resampling, framing."""
