"""Networks that know when they do not know: mixtures of Gaussians as posteriors over weights.

``edgespike.bayes.mixture`` does not need torch, but differentiates torch tensors if it is given
them; ``overlap`` and ``metrics`` do not need torch either. ``posterior`` is about torch modules.
"""
