"""ncnn's two files, and its layers in ONNX's words."""
