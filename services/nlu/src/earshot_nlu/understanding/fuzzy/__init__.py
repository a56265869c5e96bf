"""Finds the sentence that a slip of the recogniser or of the keyboard has hidden."""
