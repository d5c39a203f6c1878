"""How good a model is: measures, pictures, tables."""
