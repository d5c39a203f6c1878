import json
import re
from pathlib import Path

from facesent import plots_page


def test_the_page_holds_vega_and_asks_nobody_for_it(tmp_path: Path) -> None:
    page = tmp_path / "plots.html"
    plots_page.write(page)
    text = page.read_text()
    assert text.count("{plot_divs}") == 1
    assert "window.vegaEmbed" in text
    assert not re.search(r"<(script|link)[^>]+(src|href)=", text)


def test_dvc_fills_the_page(tmp_path: Path) -> None:
    from dvc_render.html import render_html
    from dvc_render.vega import VegaRenderer

    template = tmp_path / "plots.html"
    plots_page.write(template)
    rows = [{"epoch": str(epoch), "loss": str(1 / (epoch + 1)), "rev": "workspace"} for epoch in range(3)]
    chart = VegaRenderer(rows, "losses", x="epoch", y="loss", template="linear")
    shown = render_html([chart], tmp_path / "index.html", template).read_text()
    assert json.dumps("loss") in shown
    assert "vegaEmbed" in shown
