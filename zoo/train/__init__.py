"""Training: costs, optimizers, learning rates, data, the loop."""
