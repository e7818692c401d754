"""The graph attention network that tells the topics of Cora's papers (Sec. III.C)."""
