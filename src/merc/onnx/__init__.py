"""``merc export onnx``: trained systems and shipped heads as folders that ``merc.runtime`` predicts with."""
