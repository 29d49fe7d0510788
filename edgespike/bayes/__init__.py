"""Networks that know when they do not know: mixtures of Gaussians as posteriors over weights.

``edgespike.bayes.mixture`` needs no torch, and differentiates torch tensors where it gets them;
``overlap`` and ``metrics`` need none either. ``posterior`` is about torch modules.
"""
