"""Says why a version that was registered before modules moved here cannot be loaded beside this code."""

raise ImportError(
    "Expected a version with the code of this facesent. Received: one that carries older code, in a process that has "
    "imported facesent already. Load it in a process of its own (`mlflow models serve`, or mlflow.pyfunc before "
    "anything of facesent), ask it with `facesent predict --version N`, or register it anew with `facesent promote`."
)
