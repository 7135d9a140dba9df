"""clients/many.py BASE N: N connections open at once, one call on each; prints the usage of each
answer as [input, output]."""
import asyncio
import json
import os
import resource
import ssl
import sys
import urllib.parse

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def call(url, number, opened, everyone):
    context = ssl.create_default_context(cafile=os.environ["CERT"]) if url.scheme == "https" \
        else None
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=context)
    opened.append(number)
    if len(opened) == everyone:
        GO.set()
    await GO.wait()
    body = json.dumps({"model": "gpt-4o-mini", "messages": [
        {"role": "user", "content": "word " * (number % 50 + 1)}]}).encode()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    answer = await reader.read()
    usage = json.loads(answer.split(b"\r\n\r\n", 1)[1])["usage"]
    writer.close()
    return [usage["prompt_tokens"], usage["completion_tokens"]]


async def main():
    global GO
    GO = asyncio.Event()
    url, everyone, opened = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2]), []
    for usage in await asyncio.gather(*(call(url, i, opened, everyone) for i in range(everyone))):
        print(json.dumps(usage))


asyncio.run(main())
