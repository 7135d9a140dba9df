"""clients/anthropic_sdk.py BASE MODE: MODE is sync, async or stream. Prints the usage that the SDK
reports for each call, one JSON object a line; input with its cached parts."""
import asyncio
import json
import os
import sys

try:
    import httpx2 as httpx  # what the packages build on since 2026
except ImportError:
    import httpx
from anthropic import Anthropic, AsyncAnthropic

base, mode = sys.argv[1], sys.argv[2]
ARGUMENTS = {"model": "claude-sonnet-4-5", "max_tokens": 100,
             "messages": [{"role": "user", "content": "What is the capital of France?"}]}


def say(message):
    usage = message.usage
    cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
    print(json.dumps({"input": usage.input_tokens + cached, "output": usage.output_tokens,
                      "text": message.content[0].text}))


def sync():
    client = Anthropic(base_url=base, api_key=os.environ["SECRET"],
                       http_client=httpx.Client(verify=os.environ["CERT"]))
    say(client.messages.create(**ARGUMENTS))
    say(client.messages.create(**ARGUMENTS, system="Be brief"))


def stream():
    client = Anthropic(base_url=base, api_key=os.environ["SECRET"],
                       http_client=httpx.Client(verify=os.environ["CERT"]))
    with client.messages.stream(**ARGUMENTS) as events:
        for _ in events.text_stream:
            pass
        say(events.get_final_message())


async def parallel():
    client = AsyncAnthropic(base_url=base, api_key=os.environ["SECRET"],
                            http_client=httpx.AsyncClient(verify=os.environ["CERT"]))
    for message in await asyncio.gather(*(client.messages.create(**ARGUMENTS) for _ in range(4))):
        say(message)


{"sync": sync, "stream": stream, "async": lambda: asyncio.run(parallel())}[mode]()
