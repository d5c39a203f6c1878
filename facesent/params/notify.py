"""Telling people how a run of the flow ended."""

from typing import Literal

from facesent.params.section import Section

Event = Literal["failed", "rejected", "promoted", "waiting"]


class Notify(Section):
    """Who is told, and of what.

    Attributes:
        urls: of Apprise (https://github.com/caronc/apprise/wiki); ``${NAME}`` is taken from the environment, so that no
            secret stands in this file.
        events: a run failed, a candidate was rejected or could not be judged, one was promoted, one waits for approval.
    """

    urls: list[str]
    events: list[Event]
