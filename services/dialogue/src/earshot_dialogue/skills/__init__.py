"""Skills as the dialogue sees them: what they can do, how they are called, what they may answer."""
