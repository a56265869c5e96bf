"""An API server of our own for tests; README.md says what it does and what it does not."""
