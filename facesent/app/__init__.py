"""A local page on which a person tries the champion with a photo or the camera."""
