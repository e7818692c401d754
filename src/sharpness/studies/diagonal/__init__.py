"""Diagonal linear networks: Figure 7, Sec. 5.2 and App. A.2 of Andriushchenko et al. (2023).

A network predicts ⟨x, β⟩ with β = u ⊙ v and weights w = (u, v) ∈ ℝ²ᵈ. On sparse regression some
measures of sharpness rank such networks by test loss, others in reverse.
"""

REVISION = 3
"""Increase with any change to the networks or their measures: all are then trained again."""
