"""``python -m facesent.plots_page``: let ``dvc plots`` draw without the net.

DVC's own page loads Vega from elsewhere and is blank offline. This writes a page with Vega inside, from the package
``vl-convert-python``, and tells this clone of DVC to use it.
"""

import subprocess
import sys
from pathlib import Path

PAGE = Path(".dvc/tmp/plots.html")
# The form that DVC asks of such a page: {plot_divs} takes the charts.
_HTML = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>DVC plots</title><script>(() => {{{bundle}}})()</script></head>
<body>{{plot_divs}}</body>
</html>
"""


def write(page: Path) -> None:
    """Write the page that ``dvc plots`` puts its charts into."""
    import vl_convert

    page.parent.mkdir(parents=True, exist_ok=True)
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    page.write_text(_HTML.format(bundle=bundle), encoding="utf-8")


if __name__ == "__main__":
    write(PAGE)
    # Relative to .dvc/, where DVC's settings lie.
    setting = ["plots.html_template", PAGE.relative_to(".dvc").as_posix()]
    subprocess.run([sys.executable, "-m", "dvc", "config", "--local", *setting], check=True)
