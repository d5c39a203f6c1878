"""Register, try, judge, ask, promote, roll back: what the flow does after the stages, and people do by hand."""

from facesent.promotion.aliases import Promotion, StaleVerdictError, promote, rollback
from facesent.promotion.approval import approval_of, approve, ask, reject
from facesent.promotion.canarying import canary
from facesent.promotion.judging import judge
from facesent.promotion.registering import Candidate, register
from facesent.promotion.reporting import report

__all__ = [
    "Candidate",
    "Promotion",
    "StaleVerdictError",
    "approval_of",
    "approve",
    "ask",
    "canary",
    "judge",
    "promote",
    "register",
    "reject",
    "report",
    "rollback",
]
