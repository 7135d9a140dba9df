"""Which trace or span is active, here and now.

A context variable says it, so that it follows tasks and copied contexts. The library wants it a
thread: captured calls join what is active on the thread that makes them. So whenever another context
runs on a thread (see _steps.py), `switch` tells the library; it is called only when the two
differ."""

import contextvars
import os
import re
import threading
from typing import Any, Optional

from . import _library

_IDS = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_SPAN_IDS = re.compile(r"[0-9a-f]{16}")


class Entry:
    """One active trace or span, above the one in which it was begun. Ids that are not the
    library's (those of a subclass that makes its own) make nothing active."""

    __slots__ = ("above", "trace_id", "span_id", "ended")

    def __init__(self, above: Optional["Entry"], trace_id: str, span_id: Optional[str]) -> None:
        self.above = above
        self.ended = False
        self.trace_id: Optional[bytes] = None
        self.span_id: Optional[bytes] = None
        if _IDS.fullmatch(trace_id) and (span_id is None or _SPAN_IDS.fullmatch(span_id)):
            self.trace_id = trace_id.encode()
            self.span_id = span_id.encode() if span_id is not None else None


class _Thread(threading.local):
    entry: Optional[Entry] = None  # what the library was told last on this thread


VARIABLE: "contextvars.ContextVar[Optional[Entry]]" = contextvars.ContextVar(
    "llm_tracer_active", default=None)
thread = _Thread()
generation = 0  # of forks: a child does not end what its parent began


def _forked() -> None:
    global generation
    generation += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def first_open(entry: Optional[Entry]) -> Optional[Entry]:
    """The innermost one that has not ended. What a task inherited may have ended since."""
    while entry is not None and entry.ended:
        entry = entry.above
    return entry


def current() -> Optional[Entry]:
    """The active one of the context that runs."""
    return first_open(VARIABLE.get())


def switch(entry: Optional[Entry]) -> None:
    """Makes it the active one of this thread."""
    entry = first_open(entry)
    if thread.entry is entry:
        return
    thread.entry = entry
    library = _library.get()
    if library is None:
        return
    if entry is None:
        library.activate(None, None)
    else:
        library.activate(entry.trace_id, entry.span_id)


def enter(trace_id: str, span_id: Optional[str]) -> Entry:
    """Makes a trace (span_id None) or a span the active one of this context and thread."""
    entry = Entry(current(), trace_id, span_id)
    VARIABLE.set(entry)
    switch(entry)
    return entry


def leave(entry: Entry) -> None:
    """It has ended. That may be in another context than it was begun in (the finalizer of an
    asynchronous generator), or before what was begun in it."""
    entry.ended = True
    top = VARIABLE.get()
    rest = first_open(top)
    if rest is not top:
        VARIABLE.set(rest)
    switch(rest)


def run_step(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Calls the function with the active one of the context that runs; the thread's comes back."""
    before = thread.entry
    entry = current()
    if entry is not before:
        switch(entry)
    try:
        return function(*args, **kwargs)
    finally:
        if thread.entry is not before:
            switch(before)


def run_with(entry: Optional[Entry], function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """As run_step, in a thread whose own context knows nothing of the entry."""
    token = VARIABLE.set(entry)
    try:
        return run_step(function, *args, **kwargs)
    finally:
        VARIABLE.reset(token)
