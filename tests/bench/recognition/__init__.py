"""How well speech is recognised, and how often speech that is for nobody is taken for a command."""
