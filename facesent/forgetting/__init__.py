"""A person's images and all that shows them, removed from everywhere a project keeps them."""
