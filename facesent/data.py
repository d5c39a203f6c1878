"""Says why a version that was registered before modules moved here cannot be loaded beside this code."""

raise ImportError(
    "Expected a version with the code of this facesent. Received: one that carries older code, in a process that has "
    "already imported facesent. Load it in its own process (`mlflow models serve`, or mlflow.pyfunc before "
    "anything of facesent), use `facesent predict --version N`, or register it again with `facesent promote`."
)
