"""The short text beside an exported network: what goes in, what comes out, how to call it."""

from collections.abc import Sequence

from facesent.core.markdown import escaped
from facesent.serving.export.check import Parity
from facesent.serving.export.formats import Format

# Imports and call, in this order, for a program in the export's folder.
_CALLS = {
    "savedmodel": (
        "import tensorflow as tf",
        """model = tf.saved_model.load("saved_model").signatures["serving_default"]
probabilities = model(image=tf.constant(images))["probabilities"].numpy()""",
    ),
    "onnx": (
        "import onnxruntime",
        """model = onnxruntime.InferenceSession("model.onnx")
[probabilities] = model.run(["probabilities"], {"image": images})""",
    ),
    "litert": (
        "from ai_edge_litert.interpreter import Interpreter",
        """model = Interpreter("model.tflite").get_signature_runner("serving_default")
probabilities = model(image=images)["probabilities"]""",
    ),
}

_BATCHES = {
    "savedmodel": "any number of images at a time.",
    "onnx": "any number of images at a time.",
    "litert": "one image at a time, or any number with the runner\n  below or after `resize_tensor_input`.",
}

_TEXT = """# {file}: version {version} of facesent

- Input `image`: uint8 `(n, {size}, {size}, 3)`, {batches}
  Red, green and blue as 0..255; each image upright and resized to {size}x{size} without keeping its aspect ratio
  (OpenCV's INTER_AREA where it shrinks, INTER_LINEAR where it grows). Another way to resize moves the answers a little.
- Output `probabilities`: float32 `(n, {classes})`, one a class, in the order of `labels.json`:
  {labels}.
- Checked on {images} test images: the largest difference from the served model's probabilities is
  {difference:.1e}, and all labels are the same.

```python
import json

import numpy as np
{imports}

labels = json.load(open("labels.json"))
images = np.zeros((2, {size}, {size}, 3), np.uint8)
{call}
print([labels[best] for best in probabilities.argmax(axis=1)])
```

The caller decides what to do at low confidence: the server answers "uncertain" below its `min_confidence`.
"""


def usage(exported: Format, version: int, size: int, labels: Sequence[str], parity: Parity) -> str:
    """Describe an export as Markdown, with a program that runs in its folder.

    Args:
        exported: the format.
        version: the registered version.
        size: side of the input in pixels.
        labels: in the order of the outputs.
        parity: what was found on the test images.
    """
    imports, call = _CALLS[exported.name]
    return _TEXT.format(
        file=exported.file,
        version=version,
        size=size,
        batches=_BATCHES[exported.name],
        classes=len(labels),
        labels=", ".join(map(escaped, labels)),
        images=parity.images,
        difference=parity.largest_difference,
        imports=imports,
        call=call,
    )
