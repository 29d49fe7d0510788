"""Layers, activations and the synaptic penalty, as torch modules."""
