"""The earshot command."""
