"""Without asyncio: the same blocks, and a client that is closed by hand."""

from llm_tracer import SyncTracerClient

tracer = SyncTracerClient()

with tracer.trace("batch-job") as trace:
    with trace.span("process", "function") as span:
        records = list(range(42))  # stands for real work
        span.set_output(output_data={"records": len(records)})

tracer.close()
