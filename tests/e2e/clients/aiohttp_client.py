"""clients/aiohttp_client.py BASE [PATH BODY]...: all calls at once, printed in order."""
import asyncio
import os
import ssl
import sys

import aiohttp


async def main():
    base, rest = sys.argv[1], sys.argv[2:]
    context = ssl.create_default_context(cafile=os.environ["CERT"])
    headers = {"Authorization": "Bearer " + os.environ["SECRET"],
               "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async def call(path, body):
            secure = context if base.startswith("https") else None
            async with session.post(base + path, data=body.encode(), ssl=secure) as response:
                return await response.text()

        for text in await asyncio.gather(*(call(p, b) for p, b in zip(rest[::2], rest[1::2]))):
            sys.stdout.write(text + "\n===\n")


asyncio.run(main())
