"""The short text beside an exported network: what goes in, what comes out, how to call it."""

from collections.abc import Sequence

from facesent.core.markdown import escaped
from facesent.serving.export.check import Parity
from facesent.serving.export.formats import Format

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
    return _TEXT.format(
        file=exported.file,
        version=version,
        size=size,
        batches=exported.batches,
        classes=len(labels),
        labels=", ".join(map(escaped, labels)),
        images=parity.images,
        difference=parity.largest_difference,
        imports=exported.imports,
        call=exported.call,
    )
