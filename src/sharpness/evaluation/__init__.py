"""Error rates and every cell of each model, and the files that hold them."""
