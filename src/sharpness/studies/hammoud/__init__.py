"""Three pools of 50 small networks: Hammoud, Liossatos & Nicollier (2023).

Each pool is 50 repeats of one recipe: a fully connected network on Abalone (``fcnn``), LeNet-5 on
Fashion-MNIST (``lenet``), a graph attention network on Cora (``gat``). Each exists as the paper
describes it (``text``) and as its notebooks did it (``code``), and what differs is a named switch
of the network's ``procedure``.
"""
