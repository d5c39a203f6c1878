"""The model card: what a model is for, what it was made from, how good it is and where it fails."""

from facesent.evaluation.card.card import MOST_CHARACTERS, description, model_card

__all__ = ["MOST_CHARACTERS", "description", "model_card"]
