"""Sweeps of models trained from scratch on small images (Sec. 5.1, App. H).

``hyperparameters`` and ``records`` import no torch, so that a workflow may read them at no cost.
"""
