"""A web service: one client for its whole life, a trace for each request.

    uvicorn chat_service:app
"""

import contextlib

import fastapi
import pydantic
from openai import AsyncOpenAI

from llm_tracer import TracerClient

MODEL = "gpt-4"


class Question(pydantic.BaseModel):
    messages: list
    user_id: str = None


@contextlib.asynccontextmanager
async def lifespan(application):
    application.state.tracer = TracerClient(api_key="project-production")
    application.state.openai = AsyncOpenAI()
    yield
    await application.state.tracer.close()


app = fastapi.FastAPI(lifespan=lifespan)


async def ask(trace, messages):
    async with trace.span("gpt-4-call", "llm", model=MODEL) as span:
        response = await app.state.openai.chat.completions.create(model=MODEL, messages=messages)
        text = response.choices[0].message.content
        span.set_output(output_data={"content": text},
                        tokens_input=response.usage.prompt_tokens,
                        tokens_output=response.usage.completion_tokens)
    return text


@app.post("/chat")
async def chat(question: Question):
    async with app.state.tracer.trace("chat-request", user_id=question.user_id) as trace:
        text = await ask(trace, question.messages)
        trace.set_output("Chat completed")
    return {"response": text}
