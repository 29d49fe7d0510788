"""The training side, on torch: spiking neurons, integer weights, the synaptic penalty, training."""
