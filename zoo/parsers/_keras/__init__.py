"""Keras's configuration of a model, as operations of TensorFlow."""
