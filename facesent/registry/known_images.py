"""What a version has to know of its training images to tell what is unlike them."""

from functools import partial
from typing import TYPE_CHECKING

from facesent.core.files import images_in_use
from facesent.core.paths import Project
from facesent.evaluation.settings import Serve
from facesent.images.batches import read_examples
from facesent.images.rows import read_split
from facesent.model.storage import load_labels, load_model
from facesent.registry.contract import UNLIKES
from facesent.registry.packaging import Unlike

if TYPE_CHECKING:
    from facesent.prediction.unlike import Known


def unlike_of(project: Project, settings: Serve) -> Unlike:
    """What ``serve.unlike`` asks a version of the project's model for."""
    if settings.unlike == UNLIKES[0]:
        return Unlike()
    return Unlike(settings.unlike, settings.unlike_neighbours, partial(known_images, project, settings))


def known_images(project: Project, settings: Serve) -> "Known":
    """The embeddings of the training images, with the threshold by the validation images.

    Args:
        project: with its images and the trained model.
        settings: how many neighbours count.

    Raises:
        ImageError: an image is not the one that was trained on.
        FilesError: somebody changes the images.
    """
    from facesent.prediction.unlike import calibrated, embed

    model, labels = load_model(project.model), load_labels(project.labels)
    frames = {name: read_split(project.split(name)) for name in ("train", "val")}
    embedded = {}
    with images_in_use(project.data):
        for name, frame in frames.items():
            size, spill = model.input_shape[1], project.outputs
            examples = read_examples(project.data, frame, labels, size, name, spill=spill)
            embedded[name] = embed(model, examples.images)
    contents, people = list(frames["train"]["sha256"].str[:16]), list(frames["val"]["group"])
    return calibrated(embedded["train"], contents, embedded["val"], people, settings.unlike_neighbours)
