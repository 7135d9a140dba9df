"""What the programs of the explicit API have to leave behind, and the comparison with what is in
the local store and at a tracing service. A program is one of eight scenarios, whoever wrote it."""

import json

import replies

SENTIMENT = "I love this product! It works great."
PROMPTS = ["Explain quantum computing", "What is machine learning?",
           "How do neural networks work?"]
EXPERT = {"role": "system", "content": "You are a ML expert."}
ANALYST = {"role": "system", "content": "Analyze sentiment. Reply: positive/negative/neutral"}
PROJECTS = {"chat_service": "production", "batch": "batch", "notebook": "notebook",
            "sentiment": "cli"}
PATTERN_PROJECT = "patterns"
DOWN = "the external service is down"


def project_of(scenario):
    return PROJECTS.get(scenario, PATTERN_PROJECT)


def user(text):
    return {"role": "user", "content": text}


class Call:
    """One call to the endpoint: what it asked and what it was answered."""

    def __init__(self, path, model, body):
        self.model = model
        self.operation = "chat" if "chat" in path else "embeddings"
        self.body = body
        reply = json.loads(replies.reply_to("POST", path, dict(body, model=model)).body)
        usage = reply["usage"]
        self.usage = usage["prompt_tokens"], usage.get("completion_tokens")
        self.text = reply["choices"][0]["message"]["content"] if "choices" in reply else None
        self.dimensions = None if "choices" in reply else replies.DIMENSIONS


def chat(model, *messages):
    return Call("/v1/chat/completions", model, {"messages": list(messages)})


def embed(text):
    return Call("/v1/embeddings", "text-embedding-3-small", {"input": text})


class Span:
    def __init__(self, name, kind, output=None, model=None, tokens=(None, None), cost=None,
                 error=None, spans=(), call=None):
        self.name, self.kind, self.output, self.model = name, kind, output, model
        self.tokens, self.cost, self.error = tokens, cost, error
        self.spans = list(spans)
        self.call = call  # made inside: fills an llm span, is a child of any other


class Trace:
    def __init__(self, name, spans, output=None, user_id=None, tags=None):
        self.name, self.spans, self.output = name, spans, output
        self.user_id, self.tags = user_id, tags


def llm(name, call, key="content", **more):
    return Span(name, "llm", {key: call.text}, more.pop("model", call.model),
                more.pop("tokens", call.usage), call=call, **more)


def embedding(name, call):
    return Span(name, "embedding", {"dimensions": call.dimensions}, call=call)


def chat_service(requests):
    """requests: (user, question)."""
    return [Trace("chat-request", [llm("gpt-4-call", chat("gpt-4", user(question)))],
                  "Chat completed", user_id=who) for who, question in requests]


def batch(prompts=None):
    return [Trace(f"batch-item-{i}", [embedding("embedding", embed(prompt)),
                                      llm("completion", chat("gpt-4", user(prompt)))],
                  f"Processed prompt {i}") for i, prompt in enumerate(prompts or PROMPTS)]


def notebook():
    ask = user("Explain transformers")
    return [Trace("experiment-v1", [llm("gpt-4-turbo", chat("gpt-4-turbo", ask))],
                  "Baseline complete", tags=["baseline"]),
            Trace("experiment-v2", [llm("gpt-4-turbo", chat("gpt-4-turbo", EXPERT, ask))],
                  "With system prompt complete", tags=["with-system-prompt"])]


def sentiment():
    call = chat("gpt-4", ANALYST, user(SENTIMENT))
    return [Trace("text-analysis", [embedding("embed", embed(SENTIMENT)),
                                    llm("sentiment", call, key="sentiment")],
                  f"Analysis complete: {call.text}")]


def one_span():
    call = chat("gpt-4", user("What is up today?"))
    return [Trace("user-request", [llm("llm-call", call, cost=0.003)], "Request completed")]


def agent(hits="['weather 0', 'weather 1', 'weather 2']"):
    call = chat("gpt-4", user(hits))
    inner = [Span("search-tool", "tool", {"hits": 3}),
             llm("synthesize", call, key="answer", model="claude-3", tokens=(1500, 500))]
    return [Trace("agent-task", [Span("agent-loop", "agent", spans=inner)], user_id="user123")]


def error(up=False):
    if up:
        return [Trace("risky-operation", [Span("external-api", "tool", {"status": "success"})])]
    return [Trace("risky-operation", [Span("external-api", "tool", error=DOWN)],
                  output=f"Error: {DOWN}")]


def sync():
    return [Trace("batch-job", [Span("process", "function", {"records": 42})])]


def walk(spans):
    for span in spans:
        yield span
        yield from walk(span.spans)


def calls(traces):
    return [s.call for t in traces for s in walk(t.spans) if s.call is not None]


def span_count(traces, preload):
    """A call in an llm span adds none."""
    spans = [s for t in traces for s in walk(t.spans)]
    return len(spans) + (sum(s.call is not None and s.kind != "llm" for s in spans)
                         if preload else 0)


# ------------------------------------------------------------------------------ the comparison

class Comparison:
    """Of traces expected with those found. found: (trace, its spans), as dictionaries whose fields
    are named as in the contract; extra fields are the local store's."""

    def __init__(self, test, preload, local):
        self.test = test
        self.preload = preload
        self.local = local
        self.inputs = None

    def traces(self, expected, found, inputs=None):
        """inputs: what the program itself said of the input of its llm spans."""
        self.inputs = inputs

        def key_expected(trace):
            return trace.name, trace.user_id or "", str(trace.output)

        def key_found(pair):
            trace, spans = pair
            return trace["name"], trace.get("user_id") or "", str(trace.get("output"))

        self.test.assertEqual(sorted(key_expected(t) for t in expected),
                              sorted(key_found(p) for p in found))
        for want, (trace, spans) in zip(
                sorted(expected, key=lambda t: key_expected(t) + (self.text_of(t),)),
                sorted(found, key=lambda p: key_found(p) + (self.found_text(p[1]),))):
            with self.test.subTest(trace=want.name, output=want.output):
                self.trace(want, trace, spans)

    @staticmethod
    def text_of(trace):
        return json.dumps([s.output for s in walk(trace.spans) if s.output], sort_keys=True)

    @staticmethod
    def found_text(spans):
        return json.dumps([{k: v for k, v in s["output_data"].items() if k != "llm_tracer"}
                           for s in spans if s.get("output_data")], sort_keys=True)

    def trace(self, want, trace, spans):
        self.test.assertEqual(trace.get("tags") or None, want.tags)
        self.test.assertIsNotNone(trace.get("end_time"))
        self.test.assertIsNone(trace.get("session_id"))
        by_parent = {}
        known = {s["span_id"] for s in spans}
        for span in spans:
            parent = span.get("parent_span_id")
            self.test.assertTrue(parent is None or parent in known, span)
            by_parent.setdefault(parent, []).append(span)
        count = self.level(want.spans, by_parent, None)
        self.test.assertEqual(count, len(spans), spans)

    def order(self, expected, by_parent, parent):
        """Siblings begin one after the other, as they are expected."""
        starts = {s["name"]: s["start_time"] for s in by_parent.get(parent, [])}
        times = [starts[s.name] for s in expected]
        self.test.assertEqual(times, sorted(times))

    def level(self, expected, by_parent, parent):
        if self.local:
            self.order(expected, by_parent, parent)
        expected = sorted(expected, key=lambda s: s.name)
        found = sorted(by_parent.get(parent, []), key=lambda s: s["name"])
        self.test.assertEqual([s.name for s in expected], [s["name"] for s in found])
        count = len(found)
        for want, span in zip(expected, found):
            with self.test.subTest(span=want.name):
                self.span(want, span)
            children = by_parent.get(span["span_id"], [])
            if want.call is not None and self.preload and want.kind != "llm":
                self.test.assertEqual(len(children), 1, children)
                self.captured_child(want, children[0])
                count += 1
            else:
                count += self.level(want.spans, by_parent, span["span_id"])
        return count

    def span(self, want, span):
        test = self.test
        test.assertEqual(span["span_type"], want.kind)
        test.assertEqual(span.get("model"), want.model)
        test.assertEqual((span.get("tokens_input"), span.get("tokens_output")), want.tokens)
        test.assertEqual(span.get("error"), want.error)
        test.assertIsNotNone(span.get("end_time"), span)
        test.assertGreaterEqual(span["end_time"], span["start_time"])
        output = {k: v for k, v in (span.get("output_data") or {}).items() if k != "llm_tracer"}
        test.assertEqual(output or None, want.output)
        filled = self.preload and want.kind == "llm"
        if want.cost is not None:
            test.assertAlmostEqual(span["cost_usd"], want.cost)
        elif filled:
            test.assertGreater(span["cost_usd"], 0)
        else:
            test.assertIsNone(span.get("cost_usd"))
        if filled:
            test.assertIn(want.call.body["messages"][-1]["content"],
                          json.dumps(span["input_data"], ensure_ascii=False).replace("\\n", "\n"))
        else:
            test.assertEqual(span.get("input_data"), self.inputs if want.kind == "llm" else None)
        if self.local:
            self.local_fields(want, span, filled)

    def local_fields(self, want, span, filled):
        test = self.test
        test.assertNotIn("partial", {k: v for k, v in span.items() if v})
        if not filled:
            for name in ("provider", "request_model", "response_id", "status_code", "capture"):
                test.assertNotIn(name, span)
            return
        test.assertEqual((span["provider"], span["operation"], span["request_model"],
                          span["response_model"], span["status_code"], span["finish_reasons"]),
                         ("openai", "chat", want.call.model, want.call.model, 200, ["stop"]))
        test.assertIn(span["capture"]["route"], ("libc", "openssl", "curl"))
        test.assertEqual(span["response_id"], "chatcmpl-local")
        check_first_times(test, span)

    def captured_child(self, want, child):
        test = self.test
        test.assertEqual(child["span_type"],
                         "embedding" if want.call.operation == "embeddings" else "llm")
        test.assertEqual(child["model"], want.call.model)
        test.assertEqual(child["tokens_input"], want.call.usage[0])
        test.assertIsNotNone(child.get("end_time"))
        if self.local:
            test.assertEqual((child["operation"], child["status_code"]),
                             (want.call.operation, 200))


def check_first_times(test, span):
    """Those to the first chunk and the first content: of a streamed answer."""
    if span["stream"]:
        test.assertGreater(span["ttfc_ms"], 0)
        test.assertGreaterEqual(span["ttft_ms"], span["ttfc_ms"])
        test.assertLess(span["ttft_ms"], span["duration_ms"])
    else:
        test.assertEqual((span.get("ttfc_ms"), span.get("ttft_ms")), (None, None))


def check_store(test, box, expected, preload):
    """The whole local store holds these traces and no other."""
    box.spans(span_count(expected, preload))
    box.ended_traces(len(expected))
    found = [box.trace(t["trace_id"]) for t in box.traces()]
    Comparison(test, preload, local=True).traces(expected, found)
    for trace, spans in found:
        shown = box.tool("show", trace["trace_id"], "--messages", env={"COLUMNS": "200"}).stdout
        for text in [trace["name"]] + [s["name"] for s in spans]:
            test.assertIn(text, shown)
        for span in spans:
            test.assertEqual(span["trace_id"], trace["trace_id"])
    if preload:
        # The provider's figures, once: but where the program said others.
        own = [s.tokens for t in expected for s in walk(t.spans)
               if s.call is not None and s.tokens != s.call.usage and s.kind == "llm"]
        if not own:
            told = calls(expected)
            test.assertEqual(sum(t.get("tokens_input", 0) for t, _ in found),
                             sum(c.usage[0] for c in told))
            test.assertEqual(sum(t.get("tokens_output", 0) for t, _ in found),
                             sum(c.usage[1] or 0 for c in told))


def check_service(test, server, expected, project, preload):
    """The service holds these traces under the project; nothing was refused, nothing came twice."""
    server.settle(project, len(expected), span_count(expected, preload))
    traces = [t for t in server.traces.values() if t["project_id"] == project]
    found = [(t, [s for s in server.spans.values() if s["trace_id"] == t["trace_id"]])
             for t in traces]
    for _, spans in found:
        for span in spans:
            test.assertEqual(span["completes"], 1, span)
    Comparison(test, preload, local=False).traces(expected, found)
    test.assertEqual(server.refused, [])
