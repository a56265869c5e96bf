"""Natural language understanding: transcript to ranked intents and slots."""
