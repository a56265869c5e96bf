"""A turn from its first sample to its end: what runs it, what it performs, what it came to."""
