"""Faults that the test endpoint throws: the model's name says which (fault-KIND or fault-KIND-N)."""

import asyncio
import socket
import struct

import endpoint
import replies


async def reset(writer):
    """Ends the connection with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def number(model, fallback):
    last = model.rsplit("-", 1)[-1]
    return int(last) if last.isdigit() else fallback


async def split_bytes(point, request, writer, reply):
    """The whole answer, byte by byte."""
    raw = b"".join(reply.frames) if reply.frames else reply.body
    writer.write(endpoint.head(200, reply.content_type, f"Content-Length: {len(raw)}\r\n\r\n"))
    for i in range(len(raw)):
        writer.write(raw[i:i + 1])
        await writer.drain()
    return True


async def cut_stream(point, request, writer, reply):
    """Half of a stream, then a reset."""
    writer.write(endpoint.head(200, reply.content_type, "Transfer-Encoding: chunked\r\n\r\n"))
    frames = reply.frames or [reply.body]
    for frame in frames[:max(2, len(frames) // 2)]:
        writer.write(b"%x\r\n" % len(frame) + frame + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    await reset(writer)
    return False


async def hang_stream(point, request, writer, reply):
    """Some frames of a stream, then silence until the client goes."""
    writer.write(endpoint.head(200, reply.content_type, "Transfer-Encoding: chunked\r\n\r\n"))
    for frame in (reply.frames or [reply.body])[:4]:
        writer.write(b"%x\r\n" % len(frame) + frame + b"\r\n")
        await writer.drain()
    await asyncio.sleep(30)
    return False


async def slow_stream(point, request, writer, reply):
    for_each = number(request.model, 20) / 1000
    await endpoint.send_stream(request, writer, reply.frames or [reply.body], reply.content_type,
                               for_each)
    return True


async def garbage(point, request, writer, reply):
    writer.write(b"\x00\xff\x13NOT HTTP AT ALL\r\n\r\n" + bytes(range(256)))
    await writer.drain()
    return False


async def not_json(point, request, writer, reply):
    await endpoint.send_whole(request, writer, 200, b"<html>proxy error</html>", "text/html")
    return True


async def midstream_error(point, request, writer, reply):
    frames = (reply.frames or [])[:3]
    if request.path.endswith("/messages"):
        frames.append(replies.sse({"type": "error", "error": {"type": "overloaded_error",
                                                              "message": "Overloaded"}}, "error"))
    else:
        frames.append(replies.sse({"error": {"message": "The server had an error",
                                             "type": "server_error", "code": None}}))
    await endpoint.send_stream(request, writer, frames, reply.content_type, 0)
    return True


async def status(point, request, writer, reply):
    code = number(request.model, 500)
    extra = "retry-after: 1\r\nx-should-retry: false\r\n" if code in (429, 500, 529) else ""
    kind = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}
    body = replies.dumps({"type": "error",
                          "error": {"message": f"told to answer {code}", "code": None,
                                    "type": kind.get(code, "server_error"), "param": None}})
    await endpoint.send_whole(request, writer, code, body.encode(), extra=extra)
    return True


async def big(point, request, writer, reply):
    """An answer of N megabytes of text, in one JSON body."""
    size = number(request.model, 100) * 1024 * 1024
    start = (b'{"id":"chatcmpl-big","object":"chat.completion","created":1,"model":"fault-big",'
             b'"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant",'
             b'"content":"')
    end = (b'"}}],"usage":{"prompt_tokens":7,"completion_tokens":11,"total_tokens":18}}')
    writer.write(endpoint.head(200, "application/json",
                               f"Content-Length: {len(start) + size + len(end)}\r\n\r\n") + start)
    block = b"abcdefghijklmno " * 4096
    for _ in range(size // len(block)):
        writer.write(block)
        await writer.drain()
    writer.write(end)
    await writer.drain()
    return True


KINDS = {"split": split_bytes, "cut": cut_stream, "hang": hang_stream, "slow": slow_stream,
         "garbage": garbage, "html": not_json, "error": midstream_error, "status": status,
         "big": big}


async def answer(point, request, writer):
    kind = request.model.split("-")[1]
    reply = replies.reply_to(request.method, request.path, request.json)
    point.note(request, reply)
    return await KINDS[kind](point, request, writer, reply)
