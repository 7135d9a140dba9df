"""clients/httpx_client.py BASE [PATH BODY]...: one client, streams read as they come."""
import os
import sys

import httpx

base, rest = sys.argv[1], sys.argv[2:]
with httpx.Client(verify=os.environ["CERT"],
                  headers={"Authorization": "Bearer " + os.environ["SECRET"]}) as client:
    for path, body in zip(rest[::2], rest[1::2]):
        with client.stream("POST", base + path, content=body.encode(),
                           headers={"Content-Type": "application/json"}) as response:
            for text in response.iter_text():
                sys.stdout.write(text)
        sys.stdout.write("\n===\n")
