import os

from facesent.prediction.device import device


def test_without_a_gpu_it_is_the_processor_and_its_cores() -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        assert device()
        return
    processor, _, cores = device().rpartition(", ")
    assert processor
    assert cores.split()[0] == str(len(os.sched_getaffinity(0)))
