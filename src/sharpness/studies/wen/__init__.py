"""Do flattest solutions generalize? The study of Wen, Ma and Li (2023), arXiv 2307.11007v2.

Two-layer ReLU networks of width 500 learn the parity of two out of thirty signs. Table 1 asks for
each architecture whether all flattest solutions generalize, and whether SAM at batch size 1, the
optimiser that minimises sharpness, finds one that does.
"""
