"""What the test endpoint answers: deterministic texts and usage for each API it speaks."""

import base64
import json
import struct
import zlib


DIMENSIONS = 1536  # of an embedding
SENTIMENT = "positive"  # the answer to a prompt that asks for one


class Reply:
    def __init__(self, status=200, body=b"", frames=None, content_type="application/json",
                 usage=None, extra=""):
        self.status = status
        self.body = body
        self.frames = frames
        self.content_type = content_type
        self.usage = usage
        self.extra = extra


def dumps(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def words(value):
    """A token count that depends on the text and is easy to check: its words, at least one."""
    return max(1, len((value if isinstance(value, str) else dumps(value)).split()))


def answer_text(prompt):
    number = zlib.crc32(prompt.encode("utf-8", "replace")) % 1000
    return f"Answer {number}: the quick brown fox jumps over the lazy dog, naïvely — 你好 🙂."


def pieces(text):
    """The text cut behind its blanks: the deltas of a stream."""
    out, start = [], 0
    for i, c in enumerate(text):
        if c == " ":
            out.append(text[start:i + 1])
            start = i + 1
    out.append(text[start:])
    return out


def sse(value, event=None):
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {dumps(value)}\n\n".encode()


def error(path, status, message):
    if path.endswith("/messages"):
        body = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    else:
        body = {"error": {"message": message, "type": "invalid_request_error", "param": None,
                          "code": None}}
    return Reply(status=status, body=dumps(body).encode())


def openai_chat(body):
    messages = body.get("messages", [])
    prompt = dumps(messages)
    text = SENTIMENT if "sentiment" in prompt else answer_text(prompt)
    usage = {"prompt_tokens": words(prompt), "completion_tokens": words(text),
             "total_tokens": words(prompt) + words(text),
             "prompt_tokens_details": {"cached_tokens": words(prompt) // 2},
             "completion_tokens_details": {"reasoning_tokens": 0}}
    model = body.get("model", "")
    base = {"id": "chatcmpl-local", "created": 1767323045, "model": model}
    if body.get("tools"):
        name = body["tools"][0]["function"]["name"]
        call = {"id": "call_1", "type": "function",
                "function": {"name": name, "arguments": "{\"city\":\"Paris\"}"}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        finish = "tool_calls"
    else:
        call = None
        message = {"role": "assistant", "content": text}
        finish = "stop"
    if not body.get("stream"):
        full = dict(base, object="chat.completion", usage=usage,
                    choices=[{"index": 0, "message": message, "finish_reason": finish}])
        return Reply(body=dumps(full).encode(), usage=usage)

    asked = (body.get("stream_options") or {}).get("include_usage")

    def chunk(delta, reason=None):
        value = dict(base, object="chat.completion.chunk",
                     choices=[{"index": 0, "delta": delta, "finish_reason": reason}])
        if asked:
            value["usage"] = None
        return sse(value)

    frames = [chunk({"role": "assistant", "content": ""})]
    if call:
        arguments = call["function"]["arguments"]
        frames.append(chunk({"tool_calls": [{"index": 0, "id": call["id"], "type": "function",
                                             "function": {"name": call["function"]["name"],
                                                          "arguments": ""}}]}))
        for part in (arguments[:6], arguments[6:]):
            frames.append(chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}))
    else:
        frames += [chunk({"content": part}) for part in pieces(text)]
    frames.append(chunk({}, finish))
    if asked:
        frames.append(sse(dict(base, object="chat.completion.chunk", choices=[], usage=usage)))
    frames.append(b"data: [DONE]\n\n")
    return Reply(frames=frames, content_type="text/event-stream",
                 usage=usage if asked else None)


def openai_responses(body):
    prompt = dumps(body.get("input", ""))
    text = answer_text(prompt)
    usage = {"input_tokens": words(prompt), "input_tokens_details": {"cached_tokens": 0},
             "output_tokens": words(text), "output_tokens_details": {"reasoning_tokens": 0},
             "total_tokens": words(prompt) + words(text)}
    item = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}
    full = {"id": "resp_local", "object": "response", "created_at": 1767323045,
            "status": "completed", "error": None, "incomplete_details": None,
            "instructions": None, "model": body.get("model", ""), "output": [item],
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": usage,
            "metadata": {}, "temperature": 1.0, "top_p": 1.0}
    if not body.get("stream"):
        return Reply(body=dumps(full).encode(), usage=usage)
    begun = dict(full, status="in_progress", output=[], usage=None)
    events = [{"type": "response.created", "response": begun},
              {"type": "response.output_item.added", "output_index": 0,
               "item": dict(item, status="in_progress", content=[])},
              {"type": "response.content_part.added", "item_id": "msg_1", "output_index": 0,
               "content_index": 0, "part": {"type": "output_text", "text": "", "annotations": []}}]
    events += [{"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
                "content_index": 0, "delta": part} for part in pieces(text)]
    events.append({"type": "response.completed", "response": full})
    frames = [sse(dict(event, sequence_number=i), event["type"]) for i, event in enumerate(events)]
    return Reply(frames=frames, content_type="text/event-stream", usage=usage)


def openai_completions(body):
    prompt = body.get("prompt", "")
    text = answer_text(dumps(prompt))
    usage = {"prompt_tokens": words(prompt), "completion_tokens": words(text),
             "total_tokens": words(prompt) + words(text)}
    full = {"id": "cmpl-local", "object": "text_completion", "created": 1767323045,
            "model": body.get("model", ""), "usage": usage,
            "choices": [{"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}]}
    return Reply(body=dumps(full).encode(), usage=usage)


def openai_embeddings(body):
    texts = body.get("input", "")
    texts = texts if isinstance(texts, list) else [texts]
    vector = [i / DIMENSIONS - 0.5 for i in range(DIMENSIONS)]
    if body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *vector)).decode()
    usage = {"prompt_tokens": sum(words(t) for t in texts),
             "total_tokens": sum(words(t) for t in texts)}
    full = {"object": "list", "model": body.get("model", ""), "usage": usage,
            "data": [{"object": "embedding", "index": i, "embedding": vector}
                     for i in range(len(texts))]}
    return Reply(body=dumps(full).encode(), usage=usage)


def anthropic_messages(body):
    prompt = dumps(body.get("messages", []))
    text = answer_text(prompt)
    usage = {"input_tokens": words(prompt), "cache_creation_input_tokens": 3,
             "cache_read_input_tokens": 5, "output_tokens": words(text)}
    full = {"id": "msg_local", "type": "message", "role": "assistant",
            "model": body.get("model", ""), "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
    if not body.get("stream"):
        return Reply(body=dumps(full).encode(), usage=usage)
    begun = dict(full, content=[], stop_reason=None, usage=dict(usage, output_tokens=1))
    frames = [sse({"type": "message_start", "message": begun}, "message_start"),
              sse({"type": "content_block_start", "index": 0,
                   "content_block": {"type": "text", "text": ""}}, "content_block_start"),
              sse({"type": "ping"}, "ping")]
    frames += [sse({"type": "content_block_delta", "index": 0,
                    "delta": {"type": "text_delta", "text": part}}, "content_block_delta")
               for part in pieces(text)]
    frames += [sse({"type": "content_block_stop", "index": 0}, "content_block_stop"),
               sse({"type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    "usage": {"output_tokens": usage["output_tokens"]}}, "message_delta"),
               sse({"type": "message_stop"}, "message_stop")]
    return Reply(frames=frames, content_type="text/event-stream", usage=usage)


def ollama_chat(body):
    prompt = dumps(body.get("messages", body.get("prompt", "")))
    text = answer_text(prompt)
    usage = {"prompt_eval_count": words(prompt), "eval_count": words(text)}
    base = {"model": body.get("model", ""), "created_at": "2026-01-02T03:04:05Z"}
    done = dict(base, done=True, done_reason="stop", total_duration=5000000, load_duration=1000,
                prompt_eval_duration=2000000, eval_duration=2500000, **usage)

    def part(content):
        if "messages" in body:
            return {"message": {"role": "assistant", "content": content}}
        return {"response": content}

    if body.get("stream") is False:
        return Reply(body=dumps(dict(done, **part(text))).encode(), usage=usage)
    frames = [(dumps(dict(base, done=False, **part(p))) + "\n").encode() for p in pieces(text)]
    frames.append((dumps(dict(done, **part(""))) + "\n").encode())
    return Reply(frames=frames, content_type="application/x-ndjson", usage=usage)


ROUTES = [("/v1/chat/completions", openai_chat), ("/v1/responses", openai_responses),
          ("/v1/completions", openai_completions), ("/v1/embeddings", openai_embeddings),
          ("/v1/messages", anthropic_messages), ("/api/chat", ollama_chat),
          ("/api/generate", ollama_chat)]


def reply_to(method, path, body):
    if method == "GET" and path == "/v1/models":
        return Reply(body=dumps({"object": "list", "data": []}).encode())
    for suffix, function in ROUTES:
        if method == "POST" and path.endswith(suffix):
            return function(body)
    return error(path, 404, f"no such path: {path}")
