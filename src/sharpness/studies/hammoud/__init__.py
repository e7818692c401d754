"""Three pools of 50 small networks: Hammoud, Liossatos & Nicollier (2023).

Each pool repeats one recipe with 50 seeds: a fully connected network on Abalone (``fcnn``), LeNet-5
on Fashion-MNIST (``lenet``), a graph attention network on Cora (``gat``). Each is trained and
measured as the paper's text says (``text``) and as its notebooks did (``code``); the differences
are switches in `procedures`.
"""
