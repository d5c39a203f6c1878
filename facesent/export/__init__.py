"""A registered version as SavedModel, ONNX and LiteRT, for those who serve it elsewhere."""
