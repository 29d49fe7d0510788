"""What `examples/pruning_experiment.py` is made of."""
