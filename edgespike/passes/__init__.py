"""Transformations of graphs: folding normalisation into thresholds, unary coding, ensembles."""
