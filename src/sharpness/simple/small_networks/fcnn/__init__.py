"""The fully connected network that tells the age of an abalone (Sec. III.A)."""
