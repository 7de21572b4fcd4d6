"""MXNet's two files, and its operators in ONNX's words."""
