"""Training of the sweeps: models trained from scratch on small images (Sec. 5.1, App. H).

``hyperparameters`` and ``records`` import no torch, so that the workflow can import them quickly.
"""
