"""Skills to talk to: one says what it heard, three change something outside."""
