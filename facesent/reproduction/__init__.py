"""Training a registered version again, apart from the project, to see whether the same weights come out."""

from facesent.reproduction.running import Reproduction, reproduce

__all__ = ["Reproduction", "reproduce"]
