"""The skill runtime: manifest, sentences, registration, the Skill servicer."""
