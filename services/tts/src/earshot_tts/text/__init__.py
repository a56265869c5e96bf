"""From an answer's text to what an engine can read aloud: cleaning, sentences, numbers in words. Pure; no I/O."""
