"""Tables of the paper: computed and published coefficients side by side."""
