"""An exception that leaves a block is recorded by itself: by the span as its error, by the trace as
its output. The program gets it all the same."""

import asyncio
import os

from llm_tracer import TracerClient


async def external_api():
    """Stands for a service that may be down."""
    if os.environ.get("EXTERNAL_API") != "up":
        raise ConnectionError("the external service is down")
    return "success"


async def main():
    async with TracerClient() as tracer, tracer.trace("risky-operation") as trace:
        async with trace.span("external-api", "tool") as span:
            span.set_output(output_data={"status": await external_api()})


asyncio.run(main())
