"""``python -m benchmarks.peers.serve``: uvicorn with uvloop and httptools, PROCESSES workers."""

import uvicorn

from benchmarks.peers.settings import get_settings

if __name__ == "__main__":
    settings = get_settings()
    uvicorn.run(
        "benchmarks.peers.app:app",
        port=settings.port,
        workers=settings.processes,
        loop="uvloop",
        http="httptools",
        timeout_keep_alive=75,
        access_log=False,
        log_level="error",
    )
