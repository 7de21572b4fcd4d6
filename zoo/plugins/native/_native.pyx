"""Binding of the C kernels."""
