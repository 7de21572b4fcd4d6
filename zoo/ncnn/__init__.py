"""Networks as ncnn's pairs of files, for Upscayl, chaiNNer and other programs."""
