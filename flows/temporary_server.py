"""Prefect's server for one command: `python -P temporary_server.py PORT`.

Most of its start is imports; garbage collection, which finds nothing to free there, is off until they are done.
"""

import gc
import sys

HOST = "127.0.0.1"  # run as a file, without our packages
STOP_SECONDS = 3


def main(port: int) -> None:
    """Serve until a signal ends us."""
    gc.disable()
    import uvicorn
    from prefect.server.api.server import create_app

    app = create_app()
    gc.freeze()
    gc.enable()
    uvicorn.run(app, host=HOST, port=port, log_level="error", timeout_graceful_shutdown=STOP_SECONDS)


if __name__ == "__main__":
    main(int(sys.argv[1]))
