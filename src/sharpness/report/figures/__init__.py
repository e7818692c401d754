"""Figures: a catalogue of entries, and one code that draws them all."""
