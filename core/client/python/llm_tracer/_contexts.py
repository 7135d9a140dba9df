"""Traces and spans as context managers, asynchronous and not.

A context is begun when it is entered and ended when it is left; both go through the client's
create_ and complete_ methods. Entering one that is open counts; leaving it that often ends it.
Leaving one that was never entered does nothing. One that ended may be entered again: that begins
another trace or span of the same name. A child of the process that entered it does not end it.

An exception that leaves the block is the span's error, and the trace's output. A generator that is
left or exhausted and a clean sys.exit() are no failure."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, Iterable, Mapping, Optional, Type, Union

from . import _active, _data, _steps
from ._warning import warn_once

if TYPE_CHECKING:
    from ._client import SyncTracerClient, TracerClient

__all__ = ["TraceContext", "SpanContext", "SyncTraceContextWrapper", "SyncSpanContextWrapper"]

Metadata = Optional[Mapping[str, Any]]
Tags = Optional[Iterable[str]]
_OUTPUT = ("output_data", "error", "tokens_input", "tokens_output", "cost_usd")


def _failed(what: str, error: Exception) -> None:
    warn_once(what, f"{what} failed ({type(error).__name__}: {_data.error_text(error)}); "
                    "the program goes on untraced")


def _id(value: Any) -> Optional[str]:
    return str(value) if value else None


def _quietly(what: str, function: Any, *args: Any, **kwargs: Any) -> Any:
    """The function's result; None, with one warning, when it raises."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        _failed(what, error)
        return None


async def _quietly_async(what: str, function: Any, *args: Any, **kwargs: Any) -> Any:
    """As _quietly; a subclass may have made the function a plain one."""
    try:
        result = function(*args, **kwargs)
        if hasattr(result, "__await__"):
            result = await result
        return result
    except Exception as error:
        _failed(what, error)
        return None


def _only_leaves(error: BaseException) -> bool:
    """Whether it says that the program goes elsewhere, not that something failed."""
    if isinstance(error, SystemExit):
        return error.code is None or (isinstance(error.code, int) and error.code == 0)
    return isinstance(error, (GeneratorExit, StopIteration, StopAsyncIteration))


class _Context:
    """What traces and spans share: being entered and left."""

    trace_id: Optional[str]

    def __init__(self, client: Any) -> None:
        self._client = client
        self._entered = 0
        self._ended = False
        self._generation = 0
        self._entry: Optional[_active.Entry] = None

    def _entering(self) -> bool:
        """Whether this begins it."""
        self._entered += 1
        if self._entered > 1:
            return False
        if self._ended:
            self._ended = False
            self._clear()
        self._generation = _active.generation
        self._client._entered(self)
        return True

    def _not_entered(self) -> None:
        """What began it was broken off."""
        self._entered -= 1
        self._client._left(self)

    def _clear(self) -> None:
        """Forgets what was set, for another use."""

    def _opened(self, span_id: Optional[str]) -> None:
        _steps.install()
        if self.trace_id is not None:
            self._entry = _active.enter(self.trace_id, span_id)

    def _leaving(self, error: Optional[BaseException]) -> bool:
        """Whether this ends it."""
        if self._entered == 0:
            return False
        self._entered -= 1
        if self._entered > 0:
            return False
        self._ended = True
        if error is not None and not _only_leaves(error):
            self._broke(_data.error_text(error))
        if self._entry is not None:
            _active.leave(self._entry)
            self._entry = None
        return True

    def _own(self, known: Optional[str]) -> bool:
        """Whether it is this process's to complete."""
        return known is not None and self._generation == _active.generation

    def _broke(self, text: str) -> None:
        """An exception leaves the block, as a failure."""

    def _open(self, what: str) -> bool:
        if self._ended:
            warn_once(f"ended {what}", f"{what} of a {type(self).__name__} that has ended: "
                                       "nothing is recorded")
        return not self._ended


class _Trace(_Context):
    def __init__(self, client: Any, trace_id: Optional[str] = None, name: Optional[str] = None,
                 **arguments: Any) -> None:
        """With a trace_id: that of a trace which is open already (see create_trace)."""
        super().__init__(client)
        self.trace_id = trace_id
        self.name = name
        self._given = trace_id
        self._arguments = arguments
        self._output: Optional[str] = None

    def set_output(self, output: Any) -> None:
        """What came out of the trace as a whole: a text (of anything else its JSON or str()). The
        last one counts; None leaves what is there. An exception takes its place. Cut at 64 KB.
        Sent when the block ends: of a process that is killed before that, it is lost."""
        if self._open("set_output") and output is not None:
            self._output = output

    def _clear(self) -> None:
        self._output = None

    def _begun(self, trace_id: Any) -> None:
        self.trace_id = _id(trace_id)
        self._opened(None)

    def _broke(self, text: str) -> None:
        self._output = f"Error: {text}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name!r} trace_id={self.trace_id!r}>"


class _Span(_Context):
    def __init__(self, client: Any, parent: Union[_Trace, "_Span"], name: str, span_type: str,
                 input_data: Any = None, metadata: Metadata = None,
                 model: Optional[str] = None) -> None:
        super().__init__(client)
        self.name = name
        self.span_type = span_type
        self.model = model
        self.span_id: Optional[str] = None
        self._parent = parent
        self._arguments = {"input_data": input_data, "metadata": metadata, "model": model}
        self._output: Dict[str, Any] = dict.fromkeys(_OUTPUT)

    @property
    def trace_id(self) -> Optional[str]:  # type: ignore[override]
        """The id of the trace that the span is in: 32 hex digits; None when nothing is recorded."""
        return self._parent.trace_id

    @property
    def parent_span_id(self) -> Optional[str]:
        """The id of the span that this one is in; None directly below the trace."""
        if isinstance(self._parent, _Trace):
            return None
        return self._parent.span_id or self._parent.parent_span_id

    def set_output(self, output_data: Any = None, tokens_input: Optional[int] = None,
                   tokens_output: Optional[int] = None, cost_usd: Optional[float] = None) -> None:
        """What came out: any value (a dict; other values are recorded as {"value": ...}), tokens
        in and out (0..10**12) and cost in USD (0..1e9). None leaves what is there. A figure out of
        its range is left out, with a warning. Values are read, and sent, when the block ends: of a
        process that is killed before that, they are lost."""
        if not self._open("set_output"):
            return
        given = {"output_data": output_data, "tokens_input": tokens_input,
                 "tokens_output": tokens_output, "cost_usd": cost_usd}
        self._output.update({k: v for k, v in given.items() if v is not None})

    def set_error(self, error: Any) -> None:
        """Says that the span failed, and why: a text or an exception. The last one counts, and an
        exception that leaves the block does not take its place. Sent when the block ends."""
        if self._open("set_error"):
            text = _data.error_text(error) if isinstance(error, BaseException) else error
            self._output["error"] = text if text not in (None, "") else "error"

    def _clear(self) -> None:
        self._output = dict.fromkeys(_OUTPUT)

    def _begun(self, span_id: Any) -> None:
        self.span_id = _id(span_id)
        if self.span_id is not None:
            self._opened(self.span_id)

    def _broke(self, text: str) -> None:
        self._output["error"] = self._output["error"] or text

    def _place(self) -> Dict[str, Any]:
        return dict(self._arguments, parent_span_id=self.parent_span_id)

    def __repr__(self) -> str:
        return (f"<{type(self).__name__} name={self.name!r} span_type={self.span_type!r} "
                f"span_id={self.span_id!r} trace_id={self.trace_id!r}>")


class TraceContext(_Trace):
    """A trace: `async with tracer.trace("name") as trace`."""

    _client: "TracerClient"

    def span(self, name: str, span_type: str, input_data: Any = None, metadata: Metadata = None,
             model: Optional[str] = None) -> "SpanContext":
        """A span directly below the trace, to be entered with `async with`. span_type: llm, tool,
        agent, function, retrieval, embedding, chain or other. input_data: what goes in."""
        return SpanContext(self._client, self, name, span_type, input_data, metadata, model)

    async def __aenter__(self) -> "TraceContext":
        if not self._entering():
            return self
        try:
            trace_id = self._given or await _quietly_async(
                "create_trace", self._client.create_trace, self.name, **self._arguments)
        except BaseException:
            self._not_entered()
            raise
        self._begun(trace_id)
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        if not self._leaving(error):
            return
        try:
            if self._own(self.trace_id):
                await _quietly_async("complete_trace", self._client.complete_trace, self.trace_id,
                                     output=self._output)
        finally:
            self._client._left(self)


class SpanContext(_Span):
    """A span: `async with trace.span("name", "llm") as span`."""

    _client: "TracerClient"

    def span(self, name: str, span_type: str, input_data: Any = None, metadata: Metadata = None,
             model: Optional[str] = None) -> "SpanContext":
        """A span inside this one; see TraceContext.span."""
        return SpanContext(self._client, self, name, span_type, input_data, metadata, model)

    async def __aenter__(self) -> "SpanContext":
        if not self._entering():
            return self
        try:
            span_id = None
            if self.trace_id is not None:
                span_id = await _quietly_async("create_span", self._client.create_span,
                                               self.trace_id, self.name, self.span_type,
                                               **self._place())
        except BaseException:
            self._not_entered()
            raise
        self._begun(span_id)
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        if not self._leaving(error):
            return
        try:
            if self._own(self.span_id):
                await _quietly_async("complete_span", self._client.complete_span, self.span_id,
                                     **self._output)
        finally:
            self._client._left(self)


class SyncTraceContextWrapper(_Trace):
    """A trace of a SyncTracerClient: `with tracer.trace("name") as trace`."""

    _client: "SyncTracerClient"

    def span(self, name: str, span_type: str, input_data: Any = None, metadata: Metadata = None,
             model: Optional[str] = None) -> "SyncSpanContextWrapper":
        """A span directly below the trace, to be entered with `with`; see TraceContext.span."""
        return SyncSpanContextWrapper(self._client, self, name, span_type, input_data, metadata,
                                      model)

    def __enter__(self) -> "SyncTraceContextWrapper":
        if not self._entering():
            return self
        try:
            trace_id = self._given or _quietly("create_trace", self._client.create_trace,
                                               self.name, **self._arguments)
        except BaseException:
            self._not_entered()
            raise
        self._begun(trace_id)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        if not self._leaving(error):
            return
        try:
            if self._own(self.trace_id):
                _quietly("complete_trace", self._client.complete_trace, self.trace_id,
                         output=self._output)
        finally:
            self._client._left(self)


class SyncSpanContextWrapper(_Span):
    """A span of a SyncTracerClient: `with trace.span("name", "llm") as span`."""

    _client: "SyncTracerClient"

    def span(self, name: str, span_type: str, input_data: Any = None, metadata: Metadata = None,
             model: Optional[str] = None) -> "SyncSpanContextWrapper":
        """A span inside this one; see TraceContext.span."""
        return SyncSpanContextWrapper(self._client, self, name, span_type, input_data, metadata,
                                      model)

    def __enter__(self) -> "SyncSpanContextWrapper":
        if not self._entering():
            return self
        try:
            span_id = None
            if self.trace_id is not None:
                span_id = _quietly("create_span", self._client.create_span, self.trace_id,
                                   self.name, self.span_type, **self._place())
        except BaseException:
            self._not_entered()
            raise
        self._begun(span_id)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        if not self._leaving(error):
            return
        try:
            if self._own(self.span_id):
                _quietly("complete_span", self._client.complete_span, self.span_id,
                         **self._output)
        finally:
            self._client._left(self)
