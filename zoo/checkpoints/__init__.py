"""Trained weights: on file, into a network, from other systems, and their cards."""
