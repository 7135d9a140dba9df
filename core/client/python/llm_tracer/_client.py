"""The clients: settings, and the four calls that record."""

import ctypes
import math
import os
import sys
import threading
from types import TracebackType
from typing import Any, Dict, Optional, Set, Type, TypeVar

from . import _data, _library, _steps
from ._contexts import Metadata, SyncTraceContextWrapper, Tags, TraceContext
from ._warning import warn_once

DEFAULT_URL = "http://localhost:8001"
TIMEOUT = 5.0
TIMEOUT_MAX = 600.0
ASYNC, SYNC = 0, 1
_Client = TypeVar("_Client", bound="_Base")
_QUIET = (_library.OK, _library.EDISABLED, _library.ETIMEDOUT)
_SAYS = {
    _library.EINVAL: "an argument is missing or malformed",
    _library.EENDED: "the client is closed",
    _library.ENOMEM: "no memory",
}


def _checked(what: str, code: int) -> int:
    """One warning for each kind of failure of which the library itself says nothing."""
    if code not in _QUIET and code in _SAYS:
        warn_once(f"{what} {code}", f"{what}: {_SAYS[code]}; nothing is recorded")
    return code


def _seconds(timeout: Any) -> float:
    try:
        seconds = float(TIMEOUT if timeout is None else timeout)
    except Exception:
        seconds = math.nan
    if not seconds >= 0:
        warn_once("timeout", f"timeout is no number of seconds: {_data.describe(timeout)[:40]}; "
                             f"{TIMEOUT:g} is taken")
        return TIMEOUT
    return min(seconds, TIMEOUT_MAX)


def _setting(given: Any, name: str) -> Optional[str]:
    made = _data.text(given) or os.environb.get(name.encode())
    return made.decode("utf-8", "replace") if made else None


def _encoded(value: Optional[str]) -> Optional[bytes]:
    return value.encode("utf-8", "replace") if value else None


class _Base:
    """Settings and the library's client."""

    _mode = ASYNC

    def __init__(self, base_url: Optional[str] = None, api_key: Optional[str] = None,
                 project_id: Optional[str] = None, timeout: float = TIMEOUT) -> None:
        self.base_url: str = (_setting(base_url, "TRACER_URL") or DEFAULT_URL).rstrip("/")
        self.api_key: Optional[str] = _setting(api_key, "TRACER_API_KEY")
        self.project_id: Optional[str] = _setting(project_id, "TRACER_PROJECT_ID")
        if self.project_id is None and (self.api_key or "").startswith("project-"):
            self.project_id = (self.api_key or "")[len("project-"):] or None
        self.timeout: float = _seconds(timeout)
        self._open()

    def _open(self) -> None:
        self._closed = self._switched_off = self._delivers = False
        self._contexts: Set[int] = set()  # id() of those that are open
        self._handle: Optional[int] = None
        self._library = library = _library.get()
        if library is None:
            return
        _steps.install()
        options = _library.ClientOptions(
            mode=self._mode, base_url=_encoded(self.base_url), api_key=_encoded(self.api_key),
            project_id=_encoded(self.project_id), timeout_ms=max(int(self.timeout * 1000), 1),
            on_warning=_library.on_warning)
        self._handle = library.client_new(ctypes.byref(options))
        self._delivers = bool(library.client_enabled(self._handle))

    @property
    def enabled(self) -> bool:
        """Whether what is recorded is delivered to the service: there is a key of the form
        project-ID, and tracing is not switched off by TRACING_ENABLED=false. Without a key, spans
        are kept in the local store. Set to False, the client records nothing until it is True."""
        return self._delivers and not self._closed and not self._switched_off

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._switched_off = not value

    def _ready(self, what: str) -> "Optional[_library.Library]":
        """The library, unless nothing is to be recorded."""
        if self._closed and (self._handle is None or what == "create_trace"):
            _checked(what, _library.EENDED)
            return None
        return None if self._switched_off or self._handle is None else self._library

    def _create_trace(self, name: Any, project_id: Any, metadata: Any, tags: Any, user_id: Any,
                      session_id: Any) -> Optional[str]:
        library = self._ready("create_trace")
        if library is None:
            return None
        options = None
        if not (project_id is metadata is tags is user_id is session_id is None):
            given = _data.tags(tags)
            options = ctypes.byref(_library.TraceOptions(
                metadata=_data.object_or_none(metadata),
                tags=(ctypes.c_char_p * (len(given) + 1))(*given) if given else None,
                user_id=_data.text(user_id), session_id=_data.text(session_id),
                project_id=_data.text(project_id)))
        trace_id = ctypes.create_string_buffer(_library.TRACE_ID_SIZE)
        _checked("create_trace", library.create_trace(self._handle, _data.text(name), options,
                                                      trace_id))
        return trace_id.value.decode() or None

    def _create_span(self, trace_id: Any, name: Any, span_type: Any, input_data: Any,
                     metadata: Any, model: Any, parent_span_id: Any) -> Optional[str]:
        library = self._ready("create_span")
        if library is None or not trace_id:
            return None
        options = None
        if not (input_data is metadata is model is parent_span_id is None):
            options = ctypes.byref(_library.SpanOptions(
                input=_data.json_or_none(input_data), metadata=_data.object_or_none(metadata),
                model=_data.text(model), parent_span_id=_data.text(parent_span_id)))
        span_id = ctypes.create_string_buffer(_library.SPAN_ID_SIZE)
        _checked("create_span", library.create_span(
            self._handle, _data.text(trace_id), _data.text(name), _data.text(span_type), options,
            span_id))
        return span_id.value.decode() or None

    def _completes(self, library: "_library.Library") -> "_library.Completes":
        return library.waiting if self._mode == SYNC else library.at_once

    def _complete_span(self, span_id: Any, output_data: Any, error: Any, tokens_input: Any,
                       tokens_output: Any, cost_usd: Any) -> None:
        library = self._ready("complete_span")
        if library is None or not span_id:
            return
        if isinstance(error, BaseException):
            error = _data.error_text(error)
        _checked("complete_span", self._completes(library).complete_span(
            self._handle, _data.text(span_id), _data.json_or_none(output_data), _data.text(error),
            _data.tokens(tokens_input, "tokens_input"),
            _data.tokens(tokens_output, "tokens_output"), _data.cost(cost_usd)))

    def _complete_trace(self, trace_id: Any, output: Any) -> None:
        library = self._ready("complete_trace")
        if library is None or not trace_id:
            return
        _checked("complete_trace", self._completes(library).complete_trace(
            self._handle, _data.text(trace_id), _data.text(output)))

    def _flush(self, timeout: Optional[float]) -> bool:
        """Waits."""
        library, handle = self._library, self._handle
        if library is None or handle is None:
            return False
        limit = -1 if timeout is None else int(_seconds(timeout) * 1000)
        return bool(library.flush(handle, limit) == _library.OK)

    # No lock: one that another thread holds when the process forks stays so in the child. Adding to
    # a set is whole; whoever comes second, the close or the last context, sees the other.

    def _entered(self, context: object) -> None:
        """What is open when the client is closed may still be used and ended."""
        self._contexts.add(id(context))

    def _left(self, context: object) -> None:
        self._contexts.discard(id(context))
        if self._closed and not self._contexts:
            self._release()

    def _close(self) -> None:
        """No more traces. The library's client goes with the last context."""
        self._closed = True
        if not self._contexts:
            self._release()

    def _release(self) -> None:
        """Ends the library's client. One in synchronous mode waits first."""
        handle, self._handle = self._handle, None
        self._closed = True
        if handle is not None and self._library is not None:
            self._library.client_close(handle)

    def __del__(self) -> None:
        try:
            if not sys.is_finalizing():
                self._release()
        except Exception:  # half made, or half torn down
            pass

    def __getstate__(self) -> Dict[str, Any]:
        """For a process that is spawned: the settings. It gets a client of its own."""
        left = ("_handle", "_library", "_contexts")
        return {k: v for k, v in vars(self).items() if k not in left}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        vars(self).update(state)
        self._open()
        self._switched_off = state["_switched_off"]
        if state["_closed"]:
            self._release()

    def __repr__(self) -> str:
        return (f"<{type(self).__name__} base_url={self.base_url!r} "
                f"project_id={self.project_id!r} enabled={self.enabled}>")


class TracerClient(_Base):
    """Records traces and spans without ever waiting for them to be delivered; for programs with an
    event loop. One for the whole program is enough; any number of tasks, threads and loops may use
    it.

    What is left out comes from the environment: TRACER_URL (http://localhost:8001),
    TRACER_API_KEY (project-ID), TRACER_PROJECT_ID (the key's). timeout: seconds, bounds close() and
    flush(). No method raises for trouble with tracing: it becomes a warning of the logger
    `llm_tracer`, and the program goes on."""

    _mode = ASYNC

    def trace(self, name: str, metadata: Metadata = None, tags: Tags = None,
              user_id: Optional[str] = None, session_id: Optional[str] = None) -> TraceContext:
        """A trace, to be entered with `async with`. name: 1..255 characters. tags: at most 50, of
        at most 100 characters."""
        return TraceContext(self, None, name, metadata=metadata, tags=tags, user_id=user_id,
                            session_id=session_id)

    async def create_trace(self, name: str, project_id: Optional[str] = None,
                           metadata: Metadata = None, tags: Tags = None,
                           user_id: Optional[str] = None,
                           session_id: Optional[str] = None) -> Optional[str]:
        """Begins a trace; its id (32 hex digits), or None when nothing is recorded. Does not make
        it active. To be ended with complete_trace, from any process."""
        return self._create_trace(name, project_id, metadata, tags, user_id, session_id)

    async def create_span(self, trace_id: str, name: str, span_type: str, input_data: Any = None,
                          metadata: Metadata = None, model: Optional[str] = None,
                          parent_span_id: Optional[str] = None) -> Optional[str]:
        """Begins a span; its id (16 hex digits), or None when nothing is recorded. To be ended with
        complete_span."""
        return self._create_span(trace_id, name, span_type, input_data, metadata, model,
                                 parent_span_id)

    async def complete_span(self, span_id: str, output_data: Any = None,
                            error: Optional[str] = None, tokens_input: Optional[int] = None,
                            tokens_output: Optional[int] = None,
                            cost_usd: Optional[float] = None) -> None:
        """Ends a span; see SpanContext.set_output. Ending it again changes nothing."""
        self._complete_span(span_id, output_data, error, tokens_input, tokens_output, cost_usd)

    async def complete_trace(self, trace_id: str, output: Optional[str] = None) -> None:
        """Ends a trace. Ending it again changes nothing."""
        self._complete_trace(trace_id, output)

    async def flush(self, timeout: Optional[float] = None) -> bool:
        """Waits, without blocking the event loop, until all that was recorded is stored and, with
        a key, at the service; at most timeout seconds (None: the client's). Whether it is. What is
        not is delivered later."""
        import asyncio  # only here: a script that never awaits does without

        loop = asyncio.get_running_loop()
        done: "asyncio.Future[bool]" = loop.create_future()

        def tell(result: bool) -> None:
            if not done.done():
                done.set_result(result)

        def wait() -> None:
            result = False
            try:
                result = self._flush(timeout)
            finally:
                answer(result)

        def answer(result: bool) -> None:
            try:
                loop.call_soon_threadsafe(tell, result)
            except RuntimeError:  # the loop was closed meanwhile
                pass

        # A thread of its own: the loop's executor may be full, or shut down, and a daemon does not
        # hold up the interpreter's end.
        threading.Thread(target=wait, name="llm_tracer flush", daemon=True).start()
        return await done

    async def close(self) -> None:
        """Ends the client: no new traces; what is open may still be used and ended. With a key, waits
        until the service has what was recorded (see flush). Again: does nothing."""
        if self._closed:
            return
        try:
            if self.enabled:
                await self.flush()
        except Exception as error:  # no asyncio loop, no thread to be had
            warn_once("close", f"close() did not wait for the delivery ({error!r})")
        finally:
            self._close()

    async def __aenter__(self: _Client) -> _Client:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        await self.close()


class SyncTracerClient(_Base):
    """As TracerClient, for scripts and notebooks, without an event loop (and in one: it needs
    none). What ends a span or trace waits until the service has it, at most timeout seconds; after
    a wait that was in vain it does not wait again for a while. Threads may share one."""

    _mode = SYNC

    def trace(self, name: str, **kwargs: Any) -> SyncTraceContextWrapper:
        """A trace, to be entered with `with`; the arguments of TracerClient.trace."""
        return self._trace(name, **kwargs)

    def _trace(self, name: str, metadata: Metadata = None, tags: Tags = None,
               user_id: Optional[str] = None,
               session_id: Optional[str] = None) -> SyncTraceContextWrapper:
        return SyncTraceContextWrapper(self, None, name, metadata=metadata, tags=tags,
                                       user_id=user_id, session_id=session_id)

    def create_trace(self, name: str, project_id: Optional[str] = None, metadata: Metadata = None,
                     tags: Tags = None, user_id: Optional[str] = None,
                     session_id: Optional[str] = None) -> Optional[str]:
        """See TracerClient.create_trace."""
        return self._create_trace(name, project_id, metadata, tags, user_id, session_id)

    def create_span(self, trace_id: str, name: str, span_type: str, input_data: Any = None,
                    metadata: Metadata = None, model: Optional[str] = None,
                    parent_span_id: Optional[str] = None) -> Optional[str]:
        """See TracerClient.create_span."""
        return self._create_span(trace_id, name, span_type, input_data, metadata, model,
                                 parent_span_id)

    def complete_span(self, span_id: str, output_data: Any = None, error: Optional[str] = None,
                      tokens_input: Optional[int] = None, tokens_output: Optional[int] = None,
                      cost_usd: Optional[float] = None) -> None:
        """See TracerClient.complete_span."""
        self._complete_span(span_id, output_data, error, tokens_input, tokens_output, cost_usd)

    def complete_trace(self, trace_id: str, output: Optional[str] = None) -> None:
        """See TracerClient.complete_trace."""
        self._complete_trace(trace_id, output)

    def flush(self, timeout: Optional[float] = None) -> bool:
        """See TracerClient.flush."""
        return self._flush(timeout)

    def close(self) -> None:
        """Ends the client: no new traces; what is open may still be used and ended. Waits until the
        service has what was recorded, at most timeout seconds. Again: does nothing."""
        if self._closed:
            return
        if self._contexts and self.enabled:
            self._flush(None)
        self._close()

    def __enter__(self: _Client) -> _Client:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()
