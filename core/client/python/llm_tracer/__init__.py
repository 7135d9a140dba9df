"""Traces and spans of programs that call LLMs.

    async with TracerClient(api_key="project-demo") as tracer:
        async with tracer.trace("chat-request", user_id="u1") as trace:
            async with trace.span("answer", "llm", model="gpt-4o") as span:
                ...
                span.set_output({"content": text}, tokens_input=12, tokens_output=3)
            trace.set_output("done")

SyncTracerClient is the same without `async` and `await`. What is recorded goes into shared memory;
the collector, a process of its own, stores and delivers it. Nothing here fails the program: without
the native library every call does nothing, after one warning of the logger `llm_tracer`."""

from ._client import SyncTracerClient, TracerClient
from ._contexts import (SpanContext, SyncSpanContextWrapper, SyncTraceContextWrapper, TraceContext)

__version__ = "0.1.0"
__all__ = ["TracerClient", "SyncTracerClient", "TraceContext", "SpanContext",
           "SyncTraceContextWrapper", "SyncSpanContextWrapper", "__version__"]
