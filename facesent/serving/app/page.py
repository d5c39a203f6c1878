"""The page; streamlit runs this file anew at every change that a person makes.

``streamlit run facesent/serving/app/page.py -- 3`` asks version 3 instead of the champion; `facesent app` starts it.
"""

import sys
from dataclasses import asdict
from threading import Lock

import streamlit as st

from facesent.core.cropping import DEFAULT_CROP, Crop
from facesent.core.errors import to_put_right
from facesent.core.markdown import escaped
from facesent.core.paths import Project
from facesent.images.reading import ImageError
from facesent.images.rows import UNCERTAIN
from facesent.params import load_params
from facesent.serving.answers.app_feedback import note_wrong
from facesent.serving.app.explanation import Explanation, LoadedVersion, explain, load
from facesent.serving.settings import Log

_INTENT = (
    "For trying out a model, not for deciding about people. A face does not show what a person feels: the labels are "
    "what other people called a picture. Photos stay on this machine and are not kept"
)


@st.cache_resource(show_spinner="Loading the model")
def _loaded(version: str | None) -> LoadedVersion:
    return load(version)


@st.cache_resource
def _one_at_a_time() -> Lock:
    """Each browser has a thread of its own, and building the network of a heat map is nothing for two at once."""
    return Lock()


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="facesent", page_icon="🙂", layout="centered")
    st.title("Which expression is this?")
    try:
        loaded = _loaded(sys.argv[1] if len(sys.argv) > 1 else None)
        log = load_params(Project().params).log
    except Exception as error:
        _tell(error)
        st.stop()
    st.caption(f"Answers: {loaded.described}.")
    content = _photo()
    whole = DEFAULT_CROP == "none"
    chosen = st.toggle("Use only the largest face", not whole, help="For photos that show more than a face.")
    crop: Crop = "largest" if chosen else "none"
    least = st.slider("Say “uncertain” below a confidence of", 0.0, 1.0, loaded.min_confidence, 0.05)
    if content is not None:
        explanation = _answer(loaded, content, crop=crop, min_confidence=least)
        if explanation is not None and log.enabled:
            _correction(loaded, explanation, content, log)
    st.divider()
    kept = log.enabled and log.photos
    st.caption(_INTENT + (f", except where you correct an answer, for {log.keep_days:g} days." if kept else "."))


def _photo() -> bytes | None:
    """The bytes that a person gave, from a file or the camera."""
    upload, camera = st.tabs(["Photo", "Camera"])
    # Any type: what is no photo gets an answer that says what was expected.
    file = upload.file_uploader("Drop a photo here, or choose one", type=None)
    shot = None
    if camera.toggle("Use the camera", value=False):
        shot = camera.camera_input("Take a photo")
    given = shot or file
    return given.getvalue() if given else None


def _answer(loaded: LoadedVersion, content: bytes, *, crop: Crop, min_confidence: float) -> Explanation | None:
    try:
        with st.spinner("Looking at the photo"), _one_at_a_time():
            explanation = explain(loaded, content, crop=crop, min_confidence=min_confidence)
    except Exception as error:
        _tell(error, "This photo cannot be read. " if isinstance(error, ImageError) else "")
        return None
    if crop == "largest" and explanation.box is None:
        st.warning("No face was found: this is the answer for the whole photo.")
    label, confidence = explanation.prediction.label, explanation.prediction.confidence
    if label == UNCERTAIN:
        st.subheader(f"Uncertain: the best guess has a confidence of {confidence:.0%}")
    else:
        st.subheader(f"{escaped(label)}, {confidence:.0%}")
    for name, probability in sorted(explanation.prediction.probabilities.items(), key=lambda item: -item[1]):
        st.progress(probability, text=f"{escaped(name)} {probability:.1%}")
    _pictures(explanation)
    return explanation


def _correction(loaded: LoadedVersion, explanation: Explanation, content: bytes, log: Log) -> None:
    right = st.selectbox("Wrong? It is …", sorted(explanation.prediction.probabilities), index=None)
    if right is None or not st.button("Send"):
        return
    box = asdict(explanation.box) if explanation.box else None
    try:
        note_wrong(log, {**vars(explanation.prediction), "version": loaded.number, "box": box}, content, right)
    except Exception as error:
        _tell(error)
        return
    st.success("Saved. It waits for your decision: facesent feedback")


def _tell(error: Exception, what: str = "") -> None:
    """Show what a person can put right, such as a full disk; a fault of the program is raised again."""
    said = to_put_right(error)
    if said is None:
        raise error
    st.error(what + escaped(said))


def _pictures(explanation: Explanation) -> None:
    photo, given, heat = st.columns(3)
    caption = "the photo" if explanation.box is None else "the face that was found"
    photo.image(explanation.photo, caption=caption, width="stretch")
    given.image(explanation.seen, caption="what the network saw", width="stretch")
    if explanation.heat is not None:
        heat.image(explanation.heat, caption="what supported the answer", width="stretch")


main()
