"""Tables in markdown, whatever their layout."""


def cells(markdown: str) -> list[tuple[str, ...]]:
    """The cells of each line that is a row of a table, without the rules below headers."""
    rows = (line for line in markdown.splitlines() if line.startswith("|") and not line.startswith("|:"))
    return [tuple(cell.strip() for cell in row.strip("|").replace(r"\|", "\0").split("|")) for row in rows]
