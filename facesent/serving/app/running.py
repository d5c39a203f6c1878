"""Starting the page's server."""

import importlib.util
from pathlib import Path

from facesent.core.errors import FacesentError
from facesent.core.programs import child_environment, process_group, python, tied

PAGE = Path(__file__).with_name("page.py")
MAX_MEGABYTES = 20


class AppError(FacesentError):
    """The page cannot be served here."""


def run(port: int, version: str | None, *, browser: bool) -> int:
    """Serve the page on this machine until it ends or this process does; its exit status.

    Args:
        port: on 127.0.0.1.
        version: number or alias of a registered version; None for the champion.
        browser: open the page in one.

    Raises:
        AppError: streamlit is not installed.
    """
    if importlib.util.find_spec("streamlit") is None:
        raise AppError("Expected the package streamlit. Received: none. Run: pip install -e '.[app]'")
    shown = command(port, version, browser=browser)
    with process_group(tied(shown), Path(), child_environment(), lifeline=True, stdout=None, stderr=None) as server:
        return server.wait()


def command(port: int, version: str | None, *, browser: bool) -> list[str]:
    """The server's command line: on this machine alone, without usage statistics."""
    settings = {
        "server.address": "127.0.0.1",
        "server.port": str(port),
        "server.headless": str(not browser).lower(),
        # Asked for at the first start, before the page is there.
        "server.showEmailPrompt": "false",
        "server.maxUploadSize": str(MAX_MEGABYTES),
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    given = [] if version is None else ["--", version]
    return python("streamlit", "run", str(PAGE), *options, *given)
