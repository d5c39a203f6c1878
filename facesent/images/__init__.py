"""From a row of a split to pixels and augmented batches: decided here, hashed by DVC for every stage."""
