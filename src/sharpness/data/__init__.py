"""Data sets, resident in memory or streamed from disk: `locate` finds one, `load` opens it."""
