"""A skill that says what it heard."""
