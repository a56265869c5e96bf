"""How words are said: English letters, IPA and pinyin to the phones of the acoustic models."""
