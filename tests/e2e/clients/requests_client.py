"""clients/requests_client.py BASE [PATH BODY]...: one session, streams read line by line."""
import os
import sys

import requests

base, rest = sys.argv[1], sys.argv[2:]
session = requests.Session()
session.verify = os.environ["CERT"]
session.headers["Authorization"] = "Bearer " + os.environ["SECRET"]
session.cookies.set("session", os.environ["SECRET"])
for path, body in zip(rest[::2], rest[1::2]):
    with session.post(base + path, data=body.encode(), stream=True,
                      headers={"Content-Type": "application/json"}) as response:
        for line in response.iter_lines():
            sys.stdout.write(line.decode() + "\n")
    sys.stdout.write("===\n")
