"""Where contexts change without a word to us: the steps of event loops, and worker threads.

Installed when the first trace is begun; before that nothing is touched. Each place is wrapped once,
calls what it found there (which may be another's wrapper), and hands on arguments, result and
exceptions as they are.

- asyncio runs every callback, and so every step of a task, by events.Handle._run.
- uvloop's handles are out of reach; what tasks hand to call_soon and its like is not.
- A task that starts eagerly runs inside the step of the one that creates it.
- Threads, ThreadPoolExecutor and ThreadPool are given the active one (see _threads.py); so are
  loop.run_in_executor and asyncio.to_thread, which come through them. anyio's workers run in the
  caller's context, and only need to be told.
"""

import functools
import importlib
import sys
from typing import Any, Callable, Dict

from . import _active, _library, _threads

_MARK = "_llm_tracer_wrapped"


def _wrap(owner: Any, name: str, make: Callable[[Any], Any], inherited: bool = False) -> None:
    """Replaces owner.name by make(what was there), once. inherited: put a wrapper of a base's."""
    found = getattr(owner, name, None) if inherited else vars(owner).get(name)
    if found is None or getattr(found, _MARK, False):
        return
    plain = found.__func__ if isinstance(found, classmethod) else found
    wrapper = functools.wraps(plain)(make(plain))
    setattr(wrapper, _MARK, True)
    setattr(owner, name, classmethod(wrapper) if isinstance(found, classmethod) else wrapper)


def _handle_run(original: Any) -> Any:
    variable, thread, switch = _active.VARIABLE, _active.thread, _active.switch

    def _run(self: Any) -> Any:
        entry = self._context.get(variable)
        while entry is not None and entry.ended:
            entry = entry.above
        before = thread.entry
        if entry is not before:
            switch(entry)
        try:
            return original(self)
        finally:
            if thread.entry is not before:
                switch(before)

    return _run


def _create_task(original: Any) -> Any:
    thread, switch = _active.thread, _active.switch

    def create_task(*args: Any, **kwargs: Any) -> Any:
        before = thread.entry
        try:
            return original(*args, **kwargs)
        finally:
            if thread.entry is not before:
                switch(before)

    return create_task


def _call_soon(original: Any) -> Any:
    run_step = _active.run_step

    def call_soon(self: Any, callback: Any, *args: Any, **kwargs: Any) -> Any:
        if not callable(callback):
            return original(self, callback, *args, **kwargs)
        return original(self, run_step, callback, *args, **kwargs)

    return call_soon


def _call_later(original: Any) -> Any:
    run_step = _active.run_step

    def call_later(self: Any, when: Any, callback: Any, *args: Any, **kwargs: Any) -> Any:
        if not callable(callback):
            return original(self, when, callback, *args, **kwargs)
        return original(self, when, run_step, callback, *args, **kwargs)

    return call_later


def _backend(original: Any) -> Any:
    """anyio 4: a class method (func, args, ...)."""
    def run_sync_in_worker_thread(cls: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        if _active.current() is not None:
            func = functools.partial(_active.run_step, func)
        return original(cls, func, *args, **kwargs)

    return run_sync_in_worker_thread


def _run_sync(original: Any) -> Any:
    """anyio.to_thread.run_sync, and anyio 3's backend: (func, *args, ...)."""
    def run_sync(func: Any, *args: Any, **kwargs: Any) -> Any:
        if _active.current() is not None:
            func = functools.partial(_active.run_step, func)
        return original(func, *args, **kwargs)

    return run_sync


def _install_events(module: Any) -> None:
    _wrap(module.Handle, "_run", _handle_run)


def _install_base_events(module: Any) -> None:
    if sys.version_info >= (3, 12):
        _wrap(module.BaseEventLoop, "create_task", _create_task)


def _install_futures(module: Any) -> None:
    """Its part with the threads comes with the first pool: too late for what is submitted then."""
    pools = importlib.import_module("concurrent.futures.thread")
    _wrap(pools.ThreadPoolExecutor, "submit", _threads.submit)


def _start(original: Any) -> Any:
    """What a pool does first is to start threads: the last moment to find its module."""
    start = _threads.start(original)

    def wrapper(self: Any) -> Any:
        install()
        return start(self)

    return wrapper


def _install_threading(module: Any) -> None:
    _wrap(module.Thread, "_bootstrap_inner", _threads.bootstrap)
    _wrap(module.Thread, "start", _start)


def _install_pool(module: Any) -> None:
    for name in ("apply_async", "_map_async", "imap", "imap_unordered"):
        _wrap(module.ThreadPool, name, _threads.pool_method, inherited=True)


def _install_uvloop(module: Any) -> None:
    for name in ("call_soon", "call_soon_threadsafe"):
        _wrap(module.Loop, name, _call_soon, inherited=True)
    for name in ("call_later", "call_at"):
        _wrap(module.Loop, name, _call_later, inherited=True)
    _wrap(module.Loop, "create_task", _create_task, inherited=True)


def _install_anyio(module: Any) -> None:
    _wrap(importlib.import_module("anyio.to_thread"), "run_sync", _run_sync)


def _install_anyio_backend(module: Any) -> None:
    """For those who imported the function itself. Loaded at anyio's first use."""
    if hasattr(module, "AsyncIOBackend"):
        _wrap(module.AsyncIOBackend, "run_sync_in_worker_thread", _backend)
    else:
        _wrap(module, "run_sync_in_worker_thread", _run_sync)


# What is left to wrap, once the program has imported it.
_left: Dict[str, Callable[[Any], None]] = {
    "asyncio.events": _install_events,
    "asyncio.base_events": _install_base_events,
    "concurrent.futures": _install_futures,
    "multiprocessing.pool": _install_pool,
    "threading": _install_threading,
    "uvloop": _install_uvloop,
    "anyio": _install_anyio,
    "anyio._backends._asyncio": _install_anyio_backend,
}


_modules = 0  # that the program had when it was looked at last


def install() -> None:
    """Wraps what is there; what the program imports later is wrapped at a later call."""
    global _modules
    if len(sys.modules) == _modules:
        return
    _modules = len(sys.modules)
    for name in [name for name in list(_left) if name in sys.modules]:
        module = sys.modules.get(name)
        if getattr(getattr(module, "__spec__", None), "_initializing", False):
            _modules = 0
            continue
        installer = _left.pop(name, None)
        if installer is None or _library.get() is None:
            continue
        try:
            installer(module)
        except Exception:  # another version than known: it goes on untold
            pass
