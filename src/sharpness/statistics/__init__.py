"""Kendall's τ and all that is computed from ``pool.csv``. Needs no torch."""
