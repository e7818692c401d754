"""How sharpness depends on the scale of a linear classifier's weights.

Figure 1 of Andriushchenko et al. (2023) and, beside it, every adaptive definition with and without
logit normalization, which needs three or more classes: with two, Eq. 5 leaves only the sign.
"""
