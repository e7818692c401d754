"""When the flattest solution does not generalize: the study of Wen, Ma and Li (2023).

Two-layer ReLU networks of width 500 learn the parity of two out of thirty signs. With which
architecture do all flattest solutions generalize, and with which does the optimiser that minimises
sharpness, SAM at batch size 1, find one that does? (Table 1 of arXiv 2307.11007v2.)
"""
