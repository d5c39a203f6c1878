"""What networks compute on, in words."""

from facesent.images.threads import cores
from facesent.model.processor import cpu_name


def device() -> str:
    """The GPUs that TensorFlow uses, or else the processor and its cores; imports TensorFlow."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return ", ".join(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus)
    return f"{cpu_name()}, {cores()} {'core' if cores() == 1 else 'cores'}"
