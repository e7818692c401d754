"""Figures: a catalogue of entries, and the code that draws them."""
