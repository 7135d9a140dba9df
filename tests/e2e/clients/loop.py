"""clients/loop.py BASE N: N calls one after the other on one kept connection; prints each usage."""
import http.client
import json
import sys
import time
import urllib.parse

url = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(url.hostname, url.port)
for i in range(int(sys.argv[2])):
    connection.request("POST", "/v1/chat/completions", json.dumps({
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "word " * (i + 1)}]}),
        {"Content-Type": "application/json"})
    print(json.dumps(json.loads(connection.getresponse().read())["usage"]))
    time.sleep(0.015)
