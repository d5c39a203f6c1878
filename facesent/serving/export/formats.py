"""The formats: how each is written, how its own runtime answers, and what its users are told.

Kept light: the command asks for their names.
"""

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesent.core.errors import FacesentError

if TYPE_CHECKING:
    import tensorflow as tf

    from facesent.model.inference import Forward

INPUT, OUTPUT = "image", "probabilities"
# Of ONNX's operators; later ones bring nothing to such networks.
_OPSET = 15


class ExportError(FacesentError):
    """A version cannot be written in a format, or answers otherwise there."""


@dataclass(frozen=True)
class Format:
    """A way to write a network for a runtime other than ours.

    Attributes:
        name: on the command line and in tags.
        file: what is written: a file, or a folder.
        modules: what has to be installed, beside TensorFlow.
        write: writes a ``serving_module`` to a path.
        load: makes the function that the runtime computes from what was written.
        batches: how many images at a time it takes, for people.
        imports: of a program in the export's folder.
        call: of that program, from ``images`` to ``probabilities``.
    """

    name: str
    file: str
    modules: tuple[str, ...]
    write: "Callable[[tf.Module, Path], None]"
    load: "Callable[[Path], Forward]"
    batches: str
    imports: str
    call: str

    def require(self) -> None:
        """Raise an ``ExportError`` that says what to install, if something is missing."""
        for module in self.modules:
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise ExportError(
                    f"Expected the packages for {self.name}. Received: {error}. Run: pip install -e '.[export]'"
                ) from None


def _write_saved_model(module: "tf.Module", path: Path) -> None:
    import tensorflow as tf

    tf.saved_model.save(module, str(path), signatures=module.serve.get_concrete_function())
    # Optional, and it holds a random number: without it equal networks are equal files.
    (path / "fingerprint.pb").unlink(missing_ok=True)


def _load_saved_model(path: Path) -> "Forward":
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return lambda images: loaded.signatures["serving_default"](**{INPUT: tf.constant(images)})[OUTPUT].numpy()


def _write_onnx(module: "tf.Module", path: Path) -> None:
    import onnx
    import tf2onnx  # type: ignore[import-untyped]

    # It reports each step of its search for simplifications.
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    model, _ = tf2onnx.convert.from_function(module.serve, module.serve.input_signature, opset=_OPSET)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, path)
    onnx.checker.check_model(str(path), full_check=True)


def _load_onnx(path: Path) -> "Forward":
    import onnxruntime  # type: ignore[import-untyped]

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: session.run([OUTPUT], {INPUT: images})[0]


def _write_litert(module: "tf.Module", path: Path) -> None:
    import tensorflow as tf

    # The runtime's own operators and no other: what needs TensorFlow's would not run where only LiteRT is.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.serve.get_concrete_function()], module)
    path.write_bytes(converter.convert())


def _load_litert(path: Path) -> "Forward":
    from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-untyped]

    run: Any = Interpreter(model_path=str(path)).get_signature_runner("serving_default")
    return lambda images: run(**{INPUT: images})[OUTPUT]


_ANY_NUMBER = "any number of images at a time."
FORMATS = {
    entry.name: entry
    for entry in (
        Format(
            name="savedmodel",
            file="saved_model",
            modules=(),
            write=_write_saved_model,
            load=_load_saved_model,
            batches=_ANY_NUMBER,
            imports="import tensorflow as tf",
            call="""model = tf.saved_model.load("saved_model").signatures["serving_default"]
probabilities = model(image=tf.constant(images))["probabilities"].numpy()""",
        ),
        Format(
            name="onnx",
            file="model.onnx",
            modules=("onnx", "onnxruntime", "tf2onnx"),
            write=_write_onnx,
            load=_load_onnx,
            batches=_ANY_NUMBER,
            imports="import onnxruntime",
            call="""model = onnxruntime.InferenceSession("model.onnx")
[probabilities] = model.run(["probabilities"], {"image": images})""",
        ),
        Format(
            name="litert",
            file="model.tflite",
            modules=("ai_edge_litert",),
            write=_write_litert,
            load=_load_litert,
            batches="one image at a time, or any number with the runner\n  below or after `resize_tensor_input`.",
            imports="from ai_edge_litert.interpreter import Interpreter",
            call="""model = Interpreter("model.tflite").get_signature_runner("serving_default")
probabilities = model(image=images)["probabilities"]""",
        ),
    )
}
