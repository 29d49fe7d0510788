"""From torch modules of edgespike.nn, and from checkpoints of them, to graphs."""
