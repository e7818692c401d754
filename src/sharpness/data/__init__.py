"""Data sets, held in memory or read from disk: `locate` finds one, `load` opens it."""
