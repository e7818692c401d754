"""Kendall's τ and the rank correlations of ``pool.csv``. Needs no torch."""
