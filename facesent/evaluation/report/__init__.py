"""The report of a model for people: what it says as values, and the page that shows them."""
