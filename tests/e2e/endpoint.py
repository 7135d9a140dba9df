"""A small LLM endpoint for demonstrations and tests: OpenAI (chat, responses, completions,
embeddings), Anthropic messages and Ollama, streamed and not, over http and https. It needs nothing
but Python's standard library and answers the same request with the same bytes every time.

    python3 endpoint.py [--port-file F] [--cert C --key K] [--log F] [--delay SECONDS]

writes "HTTP_PORT HTTPS_PORT" to F once both listen (0: no certificate given). Each answered call
is one line of the log: path, model, the usage it sent, streamed or not. A model named fault-KIND
answers with that fault (see faults.py).
"""

import argparse
import asyncio
import gzip
import json
import os
import ssl
import sys
import zlib

import faults
import replies

HEAD_MAX = 64 * 1024
BODY_MAX = 256 * 1024 * 1024


class Request:
    def __init__(self, method, target, headers, body):
        self.method = method
        self.path = target.split("?")[0]
        self.headers = headers
        self.raw = body
        try:
            self.json = json.loads(body) if body else {}
        except ValueError:
            self.json = None

    @property
    def model(self):
        return str((self.json or {}).get("model", ""))


async def read_request(reader, writer):
    """One request, or None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = {}
    for line in lines[1:]:
        if ":" in line:
            name, value = line.split(":", 1)
            headers[name.strip().lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    body = b""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while True:
            size = int((await reader.readline()).split(b";")[0], 16)
            body += await reader.readexactly(size)
            await reader.readline()
            if size == 0:
                break
    elif "content-length" in headers:
        length = int(headers["content-length"])
        if length > BODY_MAX:
            return None
        body = await reader.readexactly(length)
    return Request(method, target, headers, body)


def encode(request, body):
    """The body in the coding that the client asked for, with the header that says so."""
    accepted = request.headers.get("accept-encoding", "")
    if "gzip" in accepted:
        return gzip.compress(body, mtime=0), "Content-Encoding: gzip\r\n"
    return body, ""


def head(status, content_type, extra=""):
    reasons = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found",
               429: "Too Many Requests", 500: "Internal Server Error", 529: "Overloaded"}
    return (f"HTTP/1.1 {status} {reasons.get(status, 'Status')}\r\nContent-Type: {content_type}\r\n"
            f"x-request-id: req_local\r\nrequest-id: req_local\r\n{extra}").encode()


async def send_whole(request, writer, status, body, content_type="application/json", extra=""):
    coded, coding = encode(request, body)
    writer.write(head(status, content_type, f"{coding}{extra}Content-Length: {len(coded)}\r\n\r\n")
                 + coded)
    await writer.drain()


async def send_stream(request, writer, frames, content_type, delay):
    """Frames as chunks, each flushed by itself, compressed when the client asked for it."""
    packer = None
    coding = ""
    if "gzip" in request.headers.get("accept-encoding", ""):
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        coding = "Content-Encoding: gzip\r\n"
    writer.write(head(200, content_type, f"{coding}Transfer-Encoding: chunked\r\n\r\n"))
    for frame in frames:
        data = frame
        if packer is not None:
            data = packer.compress(frame) + packer.flush(zlib.Z_SYNC_FLUSH)
        writer.write(b"%x\r\n" % len(data) + data + b"\r\n")
        await writer.drain()
        if delay:
            await asyncio.sleep(delay)
    if packer is not None:
        data = packer.flush()
        writer.write(b"%x\r\n" % len(data) + data + b"\r\n")
    writer.write(b"0\r\n\r\n")
    await writer.drain()


class Endpoint:
    def __init__(self, log, delay):
        self.log = log
        self.delay = delay

    def note(self, request, reply):
        if self.log is None:
            return
        line = {"path": request.path, "model": request.model, "usage": reply.usage,
                "stream": reply.frames is not None, "status": reply.status}
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()

    async def answer(self, request, reader, writer):
        """True to keep the connection."""
        if request.json is None:
            reply = replies.error(request.path, 400, "the body is not JSON")
        elif request.model.startswith("fault-"):
            return await faults.answer(self, request, writer)
        else:
            reply = replies.reply_to(request.method, request.path, request.json)
        self.note(request, reply)
        await self.send(request, writer, reply)
        return request.headers.get("connection", "").lower() != "close"

    async def send(self, request, writer, reply):
        if reply.frames is not None:
            await send_stream(request, writer, reply.frames, reply.content_type, self.delay)
        else:
            if self.delay:
                await asyncio.sleep(self.delay)
            await send_whole(request, writer, reply.status, reply.body, reply.content_type,
                             reply.extra)

    async def serve(self, reader, writer):
        try:
            keep = True
            while keep:
                request = await read_request(reader, writer)
                if request is None:
                    break
                keep = await self.answer(request, reader, writer)
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            try:
                writer.close()
                await writer.wait_closed()
            except (ConnectionError, ssl.SSLError, OSError):
                pass


async def run(options):
    log = open(options.log, "a", encoding="utf-8") if options.log else None
    endpoint = Endpoint(log, options.delay)
    plain = await asyncio.start_server(endpoint.serve, options.host, 0, limit=HEAD_MAX,
                                       backlog=2048)
    ports = [plain.sockets[0].getsockname()[1], 0]
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
        secure = await asyncio.start_server(endpoint.serve, options.host, 0, ssl=context,
                                            limit=HEAD_MAX, backlog=2048)
        ports[1] = secure.sockets[0].getsockname()[1]
    text = f"{ports[0]} {ports[1]}\n"
    if options.port_file:
        with open(options.port_file + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(options.port_file + ".new", options.port_file)
    else:
        sys.stdout.write(text)
        sys.stdout.flush()
    await asyncio.Event().wait()


def main():
    parser = argparse.ArgumentParser(description="A local LLM endpoint for tests.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port-file")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--log")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each chunk")
    try:
        asyncio.run(run(parser.parse_args()))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
