"""LeNet-5 on Fashion-MNIST: the pool of Sec. III.B of Hammoud et al. (2023)."""
