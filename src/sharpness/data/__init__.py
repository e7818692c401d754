"""Data sets, resident in memory or streamed from disk: `places` finds one, `loading` opens it."""
