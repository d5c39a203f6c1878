"""What answers HTTP beside a version's own code: MLflow's scoring with bounds, tokens and metrics around it.

A version brings the code of its own time, and both may be called ``facesent``. So nothing here imports facesent, and a
server's process loads this folder under the name ``facesent_gateway``.
"""
