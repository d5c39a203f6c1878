"""Says why a version that was registered by facesent before 0.2 cannot be loaded beside this code."""

raise ImportError(
    "Expected code of this facesent. Received: a registered version that carries older code, loaded in a process that has "
    "imported facesent already. Load it in a process of its own (`mlflow models serve`, or mlflow.pyfunc before anything "
    "of facesent), ask it with `facesent predict --version N`, or register it anew with `facesent promote`."
)
