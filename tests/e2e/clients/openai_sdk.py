"""clients/openai_sdk.py BASE MODE: MODE is sync, async or stream. Prints the usage that the SDK
reports for each call, one JSON object a line."""
import asyncio
import json
import os
import sys

try:
    import httpx2 as httpx  # what the packages build on since 2026
except ImportError:
    import httpx
from openai import AsyncOpenAI, OpenAI

base, mode = sys.argv[1] + "/v1", sys.argv[2]
MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]


def say(usage, text):
    print(json.dumps({"input": getattr(usage, "prompt_tokens", None) or
                      getattr(usage, "input_tokens", None),
                      "output": getattr(usage, "completion_tokens", None) or
                      getattr(usage, "output_tokens", None) or 0, "text": text}))


def sync():
    client = OpenAI(base_url=base, api_key=os.environ["SECRET"],
                    http_client=httpx.Client(verify=os.environ["CERT"]))
    chat = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, temperature=0.5)
    say(chat.usage, chat.choices[0].message.content)
    response = client.responses.create(model="gpt-4o-mini", input="Say hello")
    say(response.usage, response.output_text)
    vector = client.embeddings.create(model="text-embedding-3-small", input=["one two", "three"])
    say(vector.usage, str(len(vector.data)))


def stream():
    client = OpenAI(base_url=base, api_key=os.environ["SECRET"],
                    http_client=httpx.Client(verify=os.environ["CERT"]))
    text, usage = "", None
    for chunk in client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True,
                                                stream_options={"include_usage": True}):
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
        usage = chunk.usage or usage
    say(usage, text)
    text, usage = "", None
    for event in client.responses.create(model="gpt-4o", input="Say hello", stream=True):
        if event.type == "response.output_text.delta":
            text += event.delta
        if event.type == "response.completed":
            usage = event.response.usage
    say(usage, text)


async def parallel():
    client = AsyncOpenAI(base_url=base, api_key=os.environ["SECRET"],
                         http_client=httpx.AsyncClient(verify=os.environ["CERT"]))
    chats = await asyncio.gather(*(client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": f"Question number {i} " * i}])
        for i in range(1, 9)))
    for chat in chats:
        say(chat.usage, chat.choices[0].message.content)


{"sync": sync, "stream": stream, "async": lambda: asyncio.run(parallel())}[mode]()
