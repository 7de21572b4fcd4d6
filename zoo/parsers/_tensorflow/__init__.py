"""TensorFlow's operators in ONNX's words."""
