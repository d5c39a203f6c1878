"""A message to people when a run has ended, by mail, chat or whatever else Apprise knows."""

import logging
import os
import re
from collections.abc import Callable

from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL

from facesent.core.paths import Project
from facesent.params import Event, Notify, load_params
from facesent.registry.credentials import without_credentials
from facesent.section import ParamsError

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def tell(project: Project, warn: Callable[[str], object], event: Event, text: str) -> bool:
    """Send a message about the running flow, as section ``notify`` of the project's settings says.

    Args:
        project: whose settings count; where they cannot be read nobody can be told, and the run says so itself.
        warn: takes a sentence where a message could not be sent.
        event: what happened.
        text: what people have to know of it.

    Returns:
        False where there is somebody to tell, and nobody was reached.
    """
    try:
        settings = load_params(project.params).notify
    except ParamsError:
        return True
    # A temporary server's page is gone by the time somebody reads this.
    page = f"\n\n{without_credentials(flow_run.ui_url)}" if PREFECT_API_URL.value() and flow_run.ui_url else ""
    return notify(settings, event, f"facesent: {event}", f"{text}{page}", warn)


def notify(settings: Notify, event: Event, title: str, text: str, warn: Callable[[str], object]) -> bool:
    """Send a message to every address, if ``event`` is one to tell of.

    A message that cannot be sent is told to ``warn`` and ends nothing: the run is what counts. No address is shown, for
    it may hold a secret.

    Args:
        settings: who is told, and of what.
        event: what happened.
        title: of the message.
        text: plain; it may quote people's words.
        warn: takes a sentence.

    Returns:
        False where there is somebody to tell, and nobody was reached.
    """
    if event not in settings.events or not settings.urls:
        return True
    problems = [_send(url, title, text) for url in settings.urls]
    for number, problem in enumerate(problems, start=1):
        if problem:
            warn(f"notify.urls, number {number}: the message was not sent ({problem}).")
    return not all(problems)


def _send(url: str, title: str, text: str) -> str:
    """Why the message could not be sent; empty where it was."""
    from apprise import Apprise, NotifyFormat

    missing = [name for name in _VARIABLE.findall(url) if name not in os.environ]
    if missing:
        return f"expected {', '.join(missing)} in the environment"
    # It logs an address that it cannot read as it is, a password included.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    receiver = Apprise()
    if not receiver.add(_VARIABLE.sub(lambda match: os.environ[match[1]], url)):
        return "expected an address that Apprise knows"
    sent = receiver.notify(body=text, title=title, body_format=NotifyFormat.TEXT)
    return "" if sent else "the service did not take it"
