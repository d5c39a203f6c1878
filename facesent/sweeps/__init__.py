"""Searches over keys of ``params.yaml``: what may be drawn, a study that outlives its process, one process a trial."""
