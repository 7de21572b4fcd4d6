"""Networks as ONNX models, for other engines."""
