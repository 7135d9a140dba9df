"""clients/urllib_client.py BASE [PATH BODY]..."""
import os
import ssl
import sys
import urllib.request

base, rest = sys.argv[1], sys.argv[2:]
context = ssl.create_default_context(cafile=os.environ["CERT"])
for path, body in zip(rest[::2], rest[1::2]):
    request = urllib.request.Request(base + path, body.encode(), {
        "Content-Type": "application/json", "Authorization": "Bearer " + os.environ["SECRET"]})
    with urllib.request.urlopen(request, context=context) as response:
        sys.stdout.write(response.read().decode() + "\n===\n")
