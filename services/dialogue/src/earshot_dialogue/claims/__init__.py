"""The one outcome of every turn: claimed, continued, read back."""
