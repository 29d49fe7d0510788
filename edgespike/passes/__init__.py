"""Functions that take a graph and return another: folding, unary coding, ensembles."""
