"""The programs llm-tracer and llm-trace, which this process becomes."""

import os
import sys
from typing import Iterator, NoReturn

from ._library import HERE, tree


def _places(name: str) -> Iterator[str]:
    yield os.path.join(HERE, "_native", "bin", name)
    if tree() is not None:
        build = os.environ.get("TRACER_BUILD_DIR") or os.path.join(tree() or "", "build", "release")
        yield os.path.join(build, "bin", name)
        yield os.path.join(tree() or "", "scripts", name)


def _become(name: str) -> NoReturn:
    for path in _places(name):
        if os.access(path, os.X_OK):
            try:
                os.execv(path, [path, *sys.argv[1:]])
            except OSError as error:
                sys.exit(f"{name}: {path}: {error.strerror}")
    print(f"{name} is not in this package: build and install it from the source tree",
          file=sys.stderr)
    sys.exit(127)


def llm_tracer() -> NoReturn:
    """The tool that lists and shows what was recorded, and the collector."""
    _become("llm-tracer")


def llm_trace() -> NoReturn:
    """Runs a command and captures its LLM calls: llm-trace python app.py"""
    _become("llm-trace")
