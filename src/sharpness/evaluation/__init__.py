"""Error rates and cells of each model, and the files that hold them."""
