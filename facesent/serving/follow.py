"""``facesent serve``: the champion of the moment behind one address, without a gap when it changes."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from facesent.serving.address import Address, url_of
from facesent.serving.gateway.settings import GatewaySettings, LogSettings
from facesent.serving.releases import Releases
from facesent.serving.settings import Server


def serve(
    address: Address, workers: int, bounds: Server, releases: Releases, log: Callable[[str], None],
    kept: LogSettings | None = None,
) -> int:  # fmt: skip
    """Serve until SIGTERM or Ctrl-C, which let it answer what it has; the exit status.

    Args:
        address: where.
        workers: processes for a version.
        bounds: of requests.
        releases: what is to be served.
        log: takes a line about each change.
        kept: of the answers; None for nothing.

    Raises:
        ServeError: it cannot start.
        FacesentError: the registry has no such version, or it cannot be had.
    """
    address.check_tokens()
    with TemporaryDirectory(prefix="facesent-serve-") as name, address.listen() as listener:
        folder = Path(name)
        (metrics := folder / "metrics").mkdir()
        # Read when the library is imported, which these two do.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
        from facesent.serving.fleet import Fleet
        from facesent.serving.rollout import RolloutController
        from facesent.serving.state import StateFile

        settings = GatewaySettings(
            max_body_bytes=int(bounds.max_body_mb * 1e6),
            max_rows=bounds.max_rows,
            max_requests=bounds.max_requests,
            request_seconds=bounds.request_seconds,
            hosts=address.names(),
            log=kept,
            state_file=str(folder / "state.json"),
        )
        fleet = Fleet(listener, settings, workers, releases.fetch, folder, log)
        state = StateFile(Path(settings.state_file), log)
        return asyncio.run(RolloutController(url_of(listener), fleet, releases, bounds, state, log).run())
