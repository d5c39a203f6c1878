"""New splits of all images: ``facesent data resplit``, and ``facesent data people --resplit``."""

from facesent.core.paths import Project


def redraw(project: Project) -> str:
    """Forget the splits, and let the next run draw with another seed.

    Returns:
        What was done and how to undo it; "" where no splits were recorded, and nothing was changed.

    Raises:
        FilesError: a stage reads or writes the splits, or something else uses the images; nothing was changed.
        ParamsError: ``params.yaml`` is not valid; nothing was changed.
    """
    from facesent.core.files import images_alone

    # Stages hold the images while they read and write the splits.
    with images_alone(project.data):
        return _redraw(project)


def _redraw(project: Project) -> str:
    from facesent import presets
    from facesent.dataset.assignment import forget, read_assignment
    from facesent.params import load_params

    known = len(read_assignment(project.assignment))
    if not known:
        # An empty table, not no file: one that is gone was lost.
        forget(project.assignment)
        return ""
    seed = load_params(project.params).split.seed
    text = presets.rewritten(project.params.read_text(encoding="utf-8"), {"split.seed": seed + 1})
    # The same seed would draw the same splits of the same images.
    presets.save(text, project.params)
    forget(project.assignment)
    return (
        f"Forgot the splits of {known:,} images, and set split.seed in {project.params} to {seed + 1}. To undo it: "
        f"git checkout {project.assignment}, and set split.seed to {seed}."
    )
