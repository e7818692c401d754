"""Three pools of 50 small networks: Hammoud, Liossatos & Nicollier (2023).

Each pool repeats one recipe with 50 seeds: a fully connected network on Abalone (``fcnn``), LeNet-5
on Fashion-MNIST (``lenet``), a graph attention network on Cora (``gat``). Each is trained and
measured as the paper's text says (``text``) and as its notebooks did (``code``); the differences
are switches in `procedures`.
"""

COLUMNS = (
    *("network", "procedure", "base", "model", "epochs", "train_loss", "test_loss"),
    *("test_accuracy", "sharpness", "sharpness_again"),
)
"""The columns of a pool's table.

Losses and accuracy are of the final weights, in eval mode, means over all examples; the accuracy is
empty for a regression. ``sharpness_again`` is a second measurement of the same weights with other
random draws; empty where nothing is drawn.
"""
