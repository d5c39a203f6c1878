"""Let Great Expectations check the suite: outcomes as plain values, and its pages (Data Docs)."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape, unescape
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any
from urllib.parse import quote

import pandas as pd

from facesent.dataset.settings import Validate
from facesent.dataset.suite import ROW_NAMES, Rule, rules, tables

MAX_EXAMPLES = 10
# Data Docs name their pages by the run's time; one that stands for none keeps their bytes the same.
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN_TIME = re.compile(r"1970-01-01(?: 00:00:00 UTC|T00:00:00Z)")
# Scripts and styles come from other machines, which may be away and would learn who looks.
_REMOTE = re.compile(r"<script\b.*?</script>|<link\b[^>]*href=\"https?://[^>]*>", re.DOTALL)
_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; color: #1b2a41; }
table { border-collapse: collapse; margin: .5em 0; } td, th { border: 1px solid #c9d1da; padding: .3em .6em; }
th { background: #eef2f6; text-align: left; } code, pre { background: #eef2f6; } img { max-height: 40px; }
a { color: #1f5f99; } ul { padding-left: 1.2em; } .fa-check-circle::before { content: "✓"; color: #1a7f37; }
.fa-times::before { content: "✗"; color: #b3261e; } .modal, footer, .navbar-toggler, .btn { display: none; }
* { height: auto !important; } nav { margin-bottom: 1em; }
</style></head>"""
_REMOTE_LOGO = re.compile(r"https://great-expectations-web-assets[^\s\"']*logo-long\.png\?d=[^\s\"']*")
_RANDOM_ID = re.compile(r"-body-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOAD_TIME = re.compile(r">\d{8}T\d{6}\.\d{6}Z<")


@dataclass(frozen=True)
class Checked:
    """One expectation and how the images met it."""

    expectation: str
    """Great Expectations' name of its type, and the column."""
    description: str
    severity: str
    """``critical`` stops the pipeline, ``warning`` does not."""
    success: bool
    observed: str
    threshold: str
    """The keys in params.yaml that set the bound, with their values; empty where it is fixed."""
    examples: tuple[str, ...]
    """At most ``MAX_EXAMPLES`` images (with the reason) or classes that differ, also where that is tolerated."""


def load() -> ModuleType:
    """Import Great Expectations, which takes seconds; call it early, in a thread, where there is other work to do."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    return great_expectations


def check(manifest: pd.DataFrame, classes: Sequence[str], params: Validate, docs: Path) -> list[Checked]:
    """Validate the manifest and write Data Docs.

    Args:
        manifest: as ``facesent.dataset.manifest.scan`` gives it.
        classes: the class folders, with those that are empty.
        params: the bounds.
        docs: the folder for the pages; what is there is replaced. Their bytes depend on nothing but the arguments.

    Returns:
        One outcome a rule, in the order of ``facesent.dataset.suite.rules``.
    """
    # Great Expectations' pages show names and values as HTML.
    classes, manifest_shown = [_as_html(name) for name in classes], _in_html(manifest)
    suite = rules(classes, params)
    with TemporaryDirectory(prefix="facesent-") as folder:
        results = _run(suite, tables(manifest_shown, classes), Path(folder))
        _copy_docs(Path(folder) / "gx" / "uncommitted" / "data_docs" / "local_site", docs)
    unusable = manifest.dropna(subset="reason")
    reasons = dict(zip(unusable["file_name"], unusable["reason"], strict=True))
    return [_outcome(rule, result, params, reasons) for rule, result in zip(suite, results, strict=True)]


def _run(suite: Sequence[Rule], data: Mapping[str, pd.DataFrame], folder: Path) -> list[Any]:
    """Validate table by table in a file context below ``folder``, where the pages are then built too."""
    gx = load()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="file", project_root_dir=folder)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("manifest")
    results = []
    # A page each for what must hold and for what is only told, so that neither page's status is the other's.
    numbered = sorted(enumerate(suite), key=lambda each: (each[1].table, each[1].severity))
    for (table, severity), its_rules in groupby(numbered, key=lambda each: (each[1].table, each[1].severity)):
        name = f"{table}-{severity}"
        expectations = [_configuration(rule, position) for position, rule in its_rules]
        definition = gx.ValidationDefinition(
            name=name,
            data=source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all"),
            suite=context.suites.add(gx.ExpectationSuite(name, expectations=expectations)),
        )
        checkpoint = gx.Checkpoint(
            name=name,
            validation_definitions=[context.validation_definitions.add(definition)],
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": [ROW_NAMES[table]]},
        )
        run = context.checkpoints.add(checkpoint).run(
            {"dataframe": data[table]}, run_id=gx.RunIdentifier(run_name="validate", run_time=_NO_TIME)
        )
        results += [result for validation in run.run_results.values() for result in validation.results]
    context.build_data_docs()
    return sorted(results, key=_position)


def _configuration(rule: Rule, position: int) -> dict[str, Any]:
    return {
        "type": rule.type,
        "kwargs": dict(rule.arguments),
        "description": rule.description,
        "severity": rule.severity,
        "meta": {"position": position},
    }


def _position(result: Any) -> int:
    return int(result.expectation_config.meta["position"])


def _outcome(rule: Rule, result: Any, params: Validate, reasons: Mapping[str, str]) -> Checked:
    column = rule.arguments.get("column")
    rows = result.result.get("unexpected_index_list") or []
    return Checked(
        expectation=f"{rule.type}({column})" if column else rule.type,
        description=rule.description,
        severity=rule.severity,
        success=bool(result.success),
        observed=_observed(rule, result),
        threshold=", ".join(f"validate.{key} = {getattr(params, key)}" for key in rule.keys),
        examples=tuple(_examples(rows, rule, reasons))[:MAX_EXAMPLES],
    )


def _observed(rule: Rule, result: Any) -> str:
    found = result.result
    if "unexpected_count" in found:
        count, checked = found["unexpected_count"], found["element_count"] - found.get("missing_count", 0)
        if not checked:
            return "nothing to check"
        return f"{count} of {checked} {rule.table} differ" if count else f"all {checked} {rule.table} conform"
    if "observed_value" not in found:
        return f"could not be evaluated: {result.exception_info}"
    value = found["observed_value"]
    return f"{len(value)} columns" if isinstance(value, list) else f"{value:.4g}"


def _examples(rows: Sequence[Mapping[str, Any]], rule: Rule, reasons: Mapping[str, str]) -> Iterator[str]:
    column = rule.arguments.get("column", "")
    for row in rows:
        name = unescape(str(row[ROW_NAMES[rule.table]]))
        yield f"{name} ({reasons.get(name) or f'{column} {unescape(str(row[column]))}'})"


def _in_html(manifest: pd.DataFrame) -> pd.DataFrame:
    texts: pd.DataFrame = manifest.select_dtypes("str")
    return manifest.assign(
        **{str(name): column.map(_as_html, "ignore").astype("str") for name, column in texts.items()}
    )


def _as_html(text: str) -> str:
    return escape(text, quote=False)


def _copy_docs(site: Path, docs: Path) -> None:
    """Copy the pages, without what differs from run to run and without the moving pictures of the tutorial."""
    shutil.rmtree(docs, ignore_errors=True)
    shutil.copytree(site, docs, ignore=shutil.ignore_patterns("*.gif"))
    for page in sorted(docs.rglob("*.html")):
        home = "../" * (len(page.relative_to(docs).parts) - 1)
        page.write_text(_settle(page.read_text(encoding="utf-8"), home), encoding="utf-8")
    _list_pages(docs)


def _settle(text: str, home: str) -> str:
    # The logo is fetched with the time and an id, which would also tell its host who looks at the page.
    text = _REMOTE_LOGO.sub(f"{home}static/images/logo-long.png", text)
    text = _SHOWN_TIME.sub("", _REMOTE.sub("", text)).replace("</head>", _STYLE, 1)
    ids: dict[str, str] = {}
    text = _RANDOM_ID.sub(lambda match: ids.setdefault(match[0], f"-body-{len(ids)}"), text)
    return _LOAD_TIME.sub("><", text)


def _list_pages(docs: Path) -> None:
    """Name the pages in plain HTML: the index would fill its tables with scripts from other machines."""
    pages = sorted(page.relative_to(docs).as_posix() for page in docs.glob("validations/**/*.html"))
    links = "".join(f'<li><a href="{quote(page)}">{page.split("/")[1]}</a></li>' for page in pages)
    index = docs / "index.html"
    text = index.read_text(encoding="utf-8")
    index.write_text(text.replace("</body>", f'<ul style="margin-bottom: 5em">{links}</ul></body>'), encoding="utf-8")
