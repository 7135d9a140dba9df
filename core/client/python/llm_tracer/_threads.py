"""Threads carry on with what was active where they were started, or their work was handed over.

A thread that is started while a span is open has it active: the entry, not the whole context. One
that works for many, one after the other, does not: each piece of work brings its own. Work that is
handed over as the method `run` of a context has what that context says.

A thread cannot be told what happens on another: when the span ends first, the calls that the thread
makes after that are still in that span, unless it begins one of its own."""

import contextvars
import functools
import threading
from typing import Any, Optional

from . import _active

_STARTED = "_llm_tracer_entry"
# Where the targets, or the classes, of threads are from that serve whoever has work for them.
_WORKERS = ("concurrent.futures.thread", "concurrent.futures.process", "multiprocessing.pool",
            "anyio._backends._asyncio", "trio._core._thread_cache")


def _own_context(function: Any) -> Optional[contextvars.Context]:
    """The context whose `run` the function is."""
    while isinstance(function, functools.partial):
        function = function.func
    context = getattr(function, "__self__", None)
    if isinstance(context, contextvars.Context) and getattr(function, "__name__", "") == "run":
        return context
    return None


def _carried(function: Any) -> Optional[_active.Entry]:
    """What is to be active in the function when another thread calls it."""
    context = _own_context(function)
    if context is None:
        return _active.current()
    return _active.first_open(context.get(_active.VARIABLE))


def _serves_many(started: threading.Thread, target: Any) -> bool:
    return (type(started).__module__ in _WORKERS
            or getattr(target, "__module__", None) in _WORKERS)


def start(original: Any) -> Any:
    """Thread.start: notes what the thread begins with, which bootstrap finds there."""
    def wrapper(self: Any) -> Any:
        function = getattr(self, "_target", None)
        if isinstance(self, threading.Timer):
            function = self.function
        own = getattr(self, "_context", None)  # Python 3.14: one that the program gave
        if _serves_many(self, function):
            entry = None
        elif isinstance(own, contextvars.Context) and _own_context(function) is None:
            entry = own.get(_active.VARIABLE)
        else:
            entry = _carried(function)
        if entry is None and _active.current() is None:
            return original(self)
        vars(self)[_STARTED] = (entry,)
        try:
            return original(self)
        except BaseException:
            vars(self).pop(_STARTED, None)
            raise

    return wrapper


def _begin(started: Any, entry: Optional[_active.Entry]) -> None:
    """In the new thread."""
    own = getattr(started, "_context", None)
    if isinstance(own, contextvars.Context):  # Python 3.14 runs it in that one
        own.run(_active.VARIABLE.set, entry)
    else:
        _active.VARIABLE.set(entry)
    _active.switch(entry)
    if isinstance(started, threading.Timer):
        # The span may have ended when the time has come.
        started.function = functools.partial(_active.run_step, started.function)


def bootstrap(original: Any) -> Any:
    """Thread._bootstrap_inner: what calls run(), a subclass's too, in the new thread."""
    def wrapper(self: Any) -> Any:
        noted = vars(self).pop(_STARTED, None)
        if noted is not None:
            try:
                _begin(self, noted[0])
            except Exception:  # a context that is in use elsewhere: the thread says so itself
                pass
        return original(self)

    return wrapper


def submit(original: Any) -> Any:
    """ThreadPoolExecutor.submit"""
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        entry = _carried(args[0]) if args else None
        if entry is None:
            return original(self, *args, **kwargs)
        return original(self, _active.run_with, entry, *args, **kwargs)

    return wrapper


def pool_method(original: Any) -> Any:
    """Those of multiprocessing.pool.ThreadPool that take a function and hand it to the workers."""
    def wrapper(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        entry = _carried(func)
        if entry is not None:
            func = functools.partial(_active.run_with, entry, func)
        return original(self, func, *args, **kwargs)

    return wrapper
