"""Stands for libllmtracer.so: keeps what was called, and a thread's active ids as the library would.
The package's own functions of the library are replaced before a client is made."""

import contextlib
import ctypes
import itertools
import os
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(ROOT, "core", "client", "python"))

from llm_tracer import _library, _warning  # noqa: E402


class Fake:
    """`calls` are (function, arguments); `traces` and `spans` what was told of them by id."""

    def __init__(self, enabled=True, disabled=False):
        self.enabled, self.disabled = enabled, disabled
        self.calls = []
        self.traces, self.spans = {}, {}
        self.numbers = itertools.count(1)
        self.local = threading.local()
        self.switches = 0

    def library(self):
        def completes(which):
            return _library.Completes(
                lambda *words: self.complete_trace(which, *words),
                lambda *words: self.complete_span(which, *words))

        return _library.Library(
            path="fake", client_new=self.client_new, client_enabled=lambda handle: self.enabled,
            client_close=lambda handle: self.say("close", handle) or 0,
            flush=lambda handle, ms: self.say("flush", handle, ms) or 0,
            create_trace=self.create_trace, create_span=self.create_span, activate=self.activate,
            at_once=completes("at_once"), waiting=completes("waiting"), preloaded=False)

    def say(self, *words):
        self.calls.append(words)

    def client_new(self, options):
        options = options._obj
        self.say("new", options.mode, options.base_url, options.api_key, options.project_id,
                 options.timeout_ms)
        return next(self.numbers)

    def create_trace(self, handle, name, options, out):
        if self.disabled:
            return _library.EDISABLED
        out.value = b"%032x" % next(self.numbers)
        told = {"name": name, "handle": handle}
        if options is not None:
            given = options._obj
            tags = list(itertools.takewhile(lambda t: t is not None,
                                            given.tags or [None])) if given.tags else []
            told.update(metadata=given.metadata, tags=tags, user_id=given.user_id,
                        session_id=given.session_id, project_id=given.project_id)
        self.traces[out.value.decode()] = told
        return 0

    def create_span(self, handle, trace_id, name, kind, options, out):
        if self.disabled:
            return _library.EDISABLED
        out.value = b"%016x" % next(self.numbers)
        told = {"trace_id": trace_id.decode(), "name": name, "type": kind}
        if options is not None:
            given = options._obj
            told.update(input=given.input, metadata=given.metadata, model=given.model,
                        parent=given.parent_span_id)
        self.spans[out.value.decode()] = told
        return 0

    def complete_trace(self, which, handle, trace_id, output):
        self.traces[trace_id.decode()].update(output=output, done=which)
        return 0

    def complete_span(self, which, handle, span_id, output, error, tokens_input, tokens_output,
                      cost):
        self.spans[span_id.decode()].update(output=output, error=error, done=which,
                                            usage=(tokens_input, tokens_output, cost))
        return 0

    def activate(self, trace_id, span_id):
        self.switches += 1
        self.local.active = (trace_id and trace_id.decode(), span_id and span_id.decode())
        return 0

    def active(self):
        """(trace id, span id) of the calling thread, as a captured call would find it."""
        return getattr(self.local, "active", (None, None))


@contextlib.contextmanager
def installed(**more):
    """A fake in place of the library, and a process that has warned of nothing."""
    fake = Fake(**more)
    before = _library._library, _library._looked
    _library._library, _library._looked = fake.library(), True
    _warning._given.clear()
    try:
        yield fake
    finally:
        _library._library, _library._looked = before


assert ctypes.sizeof(_library.ClientOptions) == 56
