"""Failures become warnings of the logger `llm_tracer`, one for each kind of trouble."""

import logging
from typing import Set

logger = logging.getLogger("llm_tracer")
_given: Set[str] = set()


def warn_once(kind: str, text: str) -> None:
    """Logs the text, unless one of this kind was logged before in this process. Never raises."""
    if kind in _given:
        return
    _given.add(kind)
    try:
        logger.warning("%s", text)
    except Exception:  # a handler of the program that fails is the program's business
        pass
