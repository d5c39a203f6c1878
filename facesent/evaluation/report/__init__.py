"""The report of a model for people: what it says as values, and the page that shows them."""

from facesent.evaluation.report.content import Report
from facesent.evaluation.report.judgement import Difference, Judgement, Row
from facesent.evaluation.report.page import render

__all__ = ["Difference", "Judgement", "Report", "Row", "render"]
