"""Figure 1 of Andriushchenko et al. (2023): sharpness against the scale of linear weights.

Beside it, every adaptive definition with and without logit normalization, which needs three or
more classes: with two, Eq. 5 leaves only the sign of the logits' difference.
"""
