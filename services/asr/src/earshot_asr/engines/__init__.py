"""Recognition engines behind one Protocol; `base` holds it, `factory` makes one from settings."""
