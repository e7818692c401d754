"""Diagonal linear networks: Figure 7, Sec. 5.2 and App. A.2 of Andriushchenko et al. (2023).

A network predicts ⟨x, β⟩ with β = u ⊙ v, and its weights are w = (u, v) ∈ ℝ²ᵈ. On sparse regression
some measures of sharpness rank such networks by test loss, and others rank them in reverse.
"""

REVISION = 1
"""Raise it with any change to a network or to what is measured on it: all are trained anew."""
