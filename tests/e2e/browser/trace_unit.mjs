// The trace page's modules that need no browser. MODULES names a copy of the dashboard's modules
// that node takes for ES modules.
import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import test from "node:test";

const load = (name) => import(`${process.env.MODULES}/${name}`);
const facts = await load("span_facts.js");
const trees = await load("trace_tree.js");
const scale = await load("waterfall_scale.js");
const conversations = await load("conversation_model.js");
const {curlOf, shellQuote} = await load("curl.js");
const {telling} = await load("session_turn.js");
const texts = await load("conversation_text.js");

const T0 = Date.parse("2026-01-02T03:04:05Z");
const iso = (ms) => new Date(T0 + ms).toISOString().replace("Z", "000+00:00");

function span(id, parent, from, to, more = {}) {
    return {span_id: id, parent_span_id: parent, name: `span ${id}`, span_type: "chain",
            start_time: iso(from), end_time: to === null ? null : iso(to), metadata: null,
            input_data: null, output_data: null, tokens_input: null, tokens_output: null,
            cost_usd: null, error: null, model: null, ...more};
}

test("times keep their microseconds", () => {
    const at = facts.timeOf("2026-01-02T03:04:05.000250+00:00");
    assert.ok(Math.abs(at - T0 - 0.25) < 0.001);
    assert.equal(facts.timeOf("2026-01-02T05:04:05+02:00"), T0);
    assert.ok(Number.isNaN(facts.timeOf(null)));
    assert.ok(Number.isNaN(facts.timeOf("soon")));
    assert.equal(facts.durationOf({start_time: iso(0), end_time: iso(5), duration_ms: 7}), 5);
    assert.equal(facts.durationOf({start_time: iso(0), end_time: null}), null);
});

test("facts come from metadata, also as text, and from what older servers keep", () => {
    const old = facts.spanFacts(span("a", null, 0, 1, {
        metadata: {ttft_ms: "12.5", process: "{\"pid\":7}", finish_reasons: "[\"stop\"]", stream: "true",
                   retry: "x", price: 3},
        output_data: {llm_tracer: {ttfc_ms: 9, provider: "openai", ttft_ms: 99}}}));
    assert.equal(old.ttft_ms, 12.5);
    assert.equal(old.ttfc_ms, 9);
    assert.equal(old.provider, "openai");
    assert.deepEqual(old.process, {pid: 7});
    assert.deepEqual(old.finish_reasons, ["stop"]);
    assert.equal(old.stream, true);
    assert.equal(old.retry, null);
    assert.equal(old.price, null);
    assert.equal(old.counted, true);
});

test("metadata of one's own", () => {
    assert.deepEqual(facts.ownMetadata(span("a", null, 0, 1, {metadata: {mine: 1, ttft_ms: 3, capture: {}}})), {mine: 1});
    assert.equal(facts.ownMetadata(span("a", null, 0, 1, {metadata: {ttft_ms: 3}})), null);
    assert.equal(facts.ownMetadata(span("a", null, 0, 1)), null);
});

test("the span that tells a trace's answer", () => {
    const root = span("r", null, 0, 9);
    const call = (id, from, more) => span(id, "r", from, from + 1, {span_type: "llm", ...more});
    assert.equal(telling([root, call("a", 5), call("b", 2)]).span_id, "a");
    assert.equal(telling([root, call("a", 2), call("b", 5, {error: "x"})]).span_id, "a");
    assert.equal(telling([root, call("b", 5, {error: "x"})]).span_id, "b");
    assert.equal(telling([span("c", "r", 1, 2), root]).span_id, "r");
    assert.equal(telling([call("o", 5, {metadata: {counted: false}}), call("i", 4)]).span_id, "i");
    assert.equal(telling([]), null);
});

test("a span's status", () => {
    assert.equal(facts.spanStatus(span("a", null, 0, null)), "running");
    assert.equal(facts.spanStatus(span("a", null, 0, 1)), "ok");
    assert.equal(facts.spanStatus(span("a", null, 0, 1, {metadata: {partial: true}})), "partial");
    assert.equal(facts.spanStatus(span("a", null, 0, 1, {error: "x", metadata: {partial: true}})), "error");
});

test("rates are of the time in which the answer was written", () => {
    const call = span("a", null, 0, 1500, {tokens_output: 100,
        metadata: {stream: true, ttft_ms: 500, ttfc_ms: 500, chunk_count: 51}});
    assert.deepEqual(facts.ratesOf(call, facts.spanFacts(call)), {tokens: 100, chunks: 50});
    const running = span("a", null, 0, null, {tokens_output: 5});
    assert.deepEqual(facts.ratesOf(running, facts.spanFacts(running)), {tokens: null, chunks: null});
});

test("attempts of one request are a chain", () => {
    const attempt = (id, from, retry, more = {}) => span(id, "p", from, from + 1, {
        span_type: "llm", metadata: {request_model: "m", url_path: "/v1", ...(retry ? {retry} : {})}, ...more});
    const all = [attempt("a", 0, 0), attempt("b", 2, 1), attempt("c", 4, 2), attempt("d", 6, 0),
                 attempt("e", 8, 1), attempt("x", 9, 0, {parent_span_id: "q"})];
    assert.deepEqual(facts.retryChain({...all[1]}, all).map((s) => s.span_id), ["a", "b", "c"]);
    assert.deepEqual(facts.retryChain(all[3], all).map((s) => s.span_id), ["d", "e"]);
    assert.deepEqual(facts.retryChain(all[5], all), []);
});

test("a tree in order of time, with sums counted once", () => {
    const tree = trees.buildTree([
        span("c", "b", 30, 60, {span_type: "llm", tokens_input: 10, tokens_output: 5, cost_usd: 0.5}),
        span("b", "a", 20, 80), span("a", null, 0, 100),
        span("d", "a", 10, 15, {span_type: "llm", tokens_input: 1, cost_usd: 0.25, error: "bad"}),
        span("e", "c", 31, 40, {tokens_input: 900, tokens_output: 900, cost_usd: 9, metadata: {counted: false}}),
    ]);
    assert.deepEqual(tree.nodes.map((n) => n.id), ["a", "d", "b", "c", "e"]);
    assert.deepEqual(tree.nodes.map((n) => n.depth), [0, 1, 1, 2, 3]);
    assert.deepEqual(tree.nodes.map((n) => n.size), [5, 1, 3, 2, 1]);
    assert.deepEqual(tree.nodes.map((n) => n.position), [1, 1, 2, 1, 1]);
    assert.deepEqual(tree.total, {tokensInput: 11, tokensOutput: 5, cost: 0.75, calls: 2, errors: 1, running: 0});
    assert.deepEqual(tree.byId.get("b").sum,
                     {tokensInput: 10, tokensOutput: 5, cost: 0.5, calls: 1, errors: 0, running: 0});
    assert.equal(tree.byId.get("e").sum.cost, null);
    assert.equal(tree.end - tree.start, 100);
});

test("self time leaves out children, overlapping ones once, outlying ones where they overlap", () => {
    const tree = trees.buildTree([
        span("a", null, 0, 100), span("b", "a", 10, 40), span("c", "a", 30, 50), span("d", "a", 90, 130),
        span("e", "a", -20, 5), span("f", "a", 60, null), span("g", "a", 35, 38)]);
    assert.equal(tree.byId.get("a").self, 100 - 5 - 40 - 40); // 0-5, 10-50, 60-100
    assert.equal(tree.byId.get("b").self, 30);
    assert.equal(tree.byId.get("f").self, null);
});

test("orphans stand at the root; parents in a circle end", () => {
    const tree = trees.buildTree([
        span("a", "gone", 0, 1), span("b", "c", 1, 2), span("c", "d", 2, 3), span("d", "b", 3, 4),
        span("s", "s", 4, 5), span("a", "b", 9, 9)]);
    assert.equal(tree.nodes.length, 5);
    assert.equal(tree.byId.get("a").orphan, true);
    assert.equal(tree.roots.length, 3);
    assert.equal(tree.roots.filter((n) => n.circle).length, 2);
    assert.equal(tree.byId.get("s").circle, true);
    assert.equal(tree.byId.get("b").circle, true); // of b, d, c the first
    assert.deepEqual(tree.nodes.map((n) => n.depth), [0, 0, 1, 2, 0]);
});

test("a chain of 100,000 spans and one parent of as many", () => {
    const chain = Array.from({length: 100000}, (_, i) => span(`n${i}`, i ? `n${i - 1}` : null, i, i + 1));
    const deep = trees.buildTree(chain);
    assert.equal(deep.nodes.at(-1).depth, 99999);
    assert.equal(deep.roots[0].size, 100000);
    const wide = trees.buildTree(chain.map((s, i) => ({...s, parent_span_id: i ? "n0" : null})));
    assert.equal(wide.roots[0].children.length, 99999);
});

test("closed nodes hide what is under them", () => {
    const tree = trees.buildTree([span("a", null, 0, 9), span("b", "a", 1, 5), span("c", "b", 2, 3),
                                  span("d", "a", 6, 7)]);
    const ids = (closed) => trees.visibleNodes(tree, closed).map((n) => n.id).join("");
    assert.equal(ids(new Set()), "abcd");
    assert.equal(ids(new Set(["b"])), "abd");
    assert.equal(ids(new Set(["a", "b"])), "a");
    assert.deepEqual([...trees.closedBelow(tree, 1)], ["b"]);
    const closed = new Set(["a", "b"]);
    trees.reveal(tree.byId.get("c"), closed);
    assert.equal(closed.size, 0);
    assert.deepEqual(trees.findNodes(tree, " SPAN b").map((n) => n.id), ["b"]);
    assert.deepEqual(trees.findNodes(tree, ""), []);
});

test("bars lie where their times are", () => {
    const view = {from: 0, to: 200};
    assert.deepEqual(scale.barOf(view, 50, 100), {left: 0.25, width: 0.25, cutLeft: false, cutRight: false});
    assert.deepEqual(scale.barOf(view, -50, 400), {left: 0, width: 1, cutLeft: true, cutRight: true});
    assert.equal(scale.barOf(view, 201, 300), null);
    assert.equal(scale.barOf(view, -9, -1), null);
    assert.equal(scale.barOf(view, NaN, 5), null);
    assert.equal(scale.barOf(view, 50, 20).width, 0);
});

test("zoom keeps what is under the pointer and stays within the trace", () => {
    const closer = scale.zoomView({from: 0, to: 100}, 0.5, 0.25, 100);
    assert.deepEqual(closer, {from: 12.5, to: 62.5});
    assert.deepEqual(scale.zoomView(closer, 100, 0.5, 100), scale.fitView(100));
    assert.equal(scale.panView(closer, -5, 100).from, 0);
    assert.ok(scale.zoomView(closer, 1e-9, 0.5, 100).to > scale.zoomView(closer, 1e-9, 0.5, 100).from);
});

test("ticks are round and few", () => {
    assert.deepEqual(scale.ticksOf({from: 0, to: 1000}, 5), [0, 200, 400, 600, 800, 1000]);
    assert.deepEqual(scale.ticksOf({from: 0, to: 0.5}, 5).map((t) => t.toFixed(1)),
                     ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
    for (const width of [0.01, 3, 777, 65432, 3.7e6, 9e8, 4e12]) {
        assert.ok(scale.ticksOf({from: 0, to: width}, 6).length <= 7, String(width));
        assert.ok(scale.ticksOf({from: 0, to: width}, 6).length >= 2, String(width));
    }
    assert.equal(scale.tickLabel(0, 1), "0");
    assert.equal(scale.tickLabel(250, 50), "250 ms");
    assert.equal(scale.tickLabel(1500, 500), "1.5 s");
    assert.equal(scale.tickLabel(90000, 30000), "1:30");
    assert.equal(scale.tickLabel(3600000, 600000), "1:00:00");
    assert.equal(scale.tickLabel(0.25, 0.05), "0.25 ms");
});

test("the axis of a running trace ends now, of a forgotten one soon after its last sign", () => {
    const tree = trees.buildTree([span("a", null, 0, null), span("b", "a", 10, 20)]);
    assert.equal(scale.axisEnd(tree, T0 + 5000), 5000);
    assert.equal(scale.axisEnd(tree, T0 + 86400000), 1000);
    assert.equal(scale.axisEnd(tree, T0 - 5000), 20);
});

const asked = (messages, more = {}) => ({messages, ...more});

test("captured messages, their calls paired with results by id", () => {
    const said = conversations.conversationOf(span("a", null, 0, 1, {
        input_data: asked([
            {role: "system", parts: [{type: "text", content: "Be brief."}]},
            {role: "user", parts: [{type: "text", content: "Weather?"}]},
            {role: "assistant", parts: [{type: "reasoning", content: "Use it."},
                {type: "tool_call", id: "1", name: "get", arguments: {city: "Rome"}},
                {type: "tool_call", id: "2", name: "get", arguments: "{\"city\":"}]},
            {role: "user", parts: [{type: "tool_call_response", id: "2", response: "no", is_error: true},
                                   {type: "tool_call_response", id: "1", response: "20C"},
                                   {type: "tool_call_response", id: "9", response: "?"}]},
        ], {parameters: {max_tokens: 9}, tools: [{type: "function", name: "get"}]}),
        output_data: asked([{role: "assistant", finish_reason: "stop", parts: [
            {type: "refusal", content: "No."},
            {type: "blob", modality: "image", mime_type: "image/png", size: 10}, {type: "new", x: 1}]}])}));
    const [one, two] = said.messages[2].parts.slice(1);
    assert.equal(one.result.value, "20C");
    assert.equal(two.result.failed, true);
    assert.equal(two.args, "{\"city\":");
    assert.equal(said.messages[3].parts[2].call, null);
    assert.deepEqual(said.messages[4].parts.map((p) => p.kind), ["refusal", "media", "json"]);
    assert.equal(said.messages[4].side, "output");
    assert.equal(said.messages[4].finish, "stop");
    assert.deepEqual(said.parameters, {max_tokens: 9});
    assert.equal(said.tools.length, 1);
    assert.equal(said.input, null);
});

test("OpenAI's and Anthropic's own forms, as programs hand them over", () => {
    const openai = conversations.conversationOf(span("a", null, 0, 1, {input_data: {messages: [
        {role: "user", content: "Hi"},
        {role: "assistant", content: null, tool_calls: [
            {id: "c", type: "function", function: {name: "f", arguments: "{\"a\":1}"}}]},
        {role: "tool", tool_call_id: "c", content: "done"},
        {role: "user", content: [{type: "text", text: "See"},
            {type: "image_url", image_url: {url: "data:image/png;base64,AAAABBBB"}}]}]}}));
    const call = openai.messages[1].parts[0];
    assert.deepEqual(call.args, {a: 1});
    assert.equal(call.result.value, "done");
    const image = openai.messages[3].parts[1];
    assert.deepEqual([image.mime, image.size, image.uri], ["image/png", 6, null]);
    const anthropic = conversations.conversationOf(span("a", null, 0, 1, {input_data: {system: "S", messages: [
        {role: "assistant", content: [{type: "thinking", thinking: "T"},
                                      {type: "tool_use", id: "u", name: "f", input: {}}]},
        {role: "user", content: [{type: "tool_result", tool_use_id: "u", content: "ok"}]}]}}));
    assert.equal(anthropic.messages[0].role, "system");
    assert.equal(anthropic.messages[1].parts[0].kind, "reasoning");
    assert.equal(anthropic.messages[1].parts[1].result.value, "ok");
});

test("calls without ids are paired by name and order", () => {
    const said = conversations.conversationOf(span("a", null, 0, 1, {input_data: {messages: [
        {role: "assistant", parts: [{type: "tool_call", name: "f", arguments: {}},
                                    {type: "tool_call", name: "g", arguments: {}}]},
        {role: "tool", parts: [{type: "tool_call_response", name: "g", response: 1},
                               {type: "tool_call_response", response: 2}]}]}}));
    assert.deepEqual(said.messages[0].parts.map((p) => p.result.value), [2, 1]);
});

test("no shape of data breaks the conversation", () => {
    const odd = [null, 5, "x", [], [1], {}, {messages: null}, {messages: {}}, {messages: [null, 5, "x", [], {}]},
        {messages: [{role: 5, parts: {}}]}, {messages: [{role: "user", parts: [{type: "text", content: {}}]}]},
        {messages: [{parts: [{type: "__proto__"}, {type: "constructor"}, {type: "toString", modality: 3}]}]},
        {messages: [{content: [{type: "function"}, {type: "server_tool_call"}, {type: "image_url"}]}]},
        {messages: [{tool_calls: [null, 3, {}]}]}, {messages: "[{\"role\":\"user\",\"content\":\"x\"}]"}];
    for (const input_data of odd) {
        for (const output_data of odd) {
            const made = span("a", null, 0, 1, {input_data, output_data, metadata: {capture: {}, api: "openai.chat"}});
            conversations.conversationOf(made);
            conversations.answerOf(made);
            conversations.questionOf(made);
            facts.spanFacts(made);
            assert.ok(curlOf(made).text.length > 0);
        }
    }
});

test("question and answer of a span", () => {
    const made = span("a", null, 0, 1, {
        input_data: {messages: [{role: "user", content: "one"}, {role: "assistant", content: "two"},
                                {role: "user", content: "three"}]},
        output_data: {messages: [{role: "assistant", parts: [{type: "text", content: "four"}]}]}});
    assert.equal(conversations.questionOf(made), "three");
    assert.equal(conversations.answerOf(made), "four");
    assert.equal(conversations.answerOf(span("a", null, 0, 1, {output_data: {answer: "a", n: 1}})), "a");
    assert.equal(conversations.answerOf(span("a", null, 0, 1, {output_data: {x: 1}})), null);
});

const captured = (api, input_data, more = {}) => span("a", null, 0, 1, {input_data, metadata: {
    api, provider: api.split(".")[0], request_model: "m", server_address: "api.example.com", server_port: 443,
    capture: {route: "openssl"}, ...more}});

// What a shell makes of the command: curl's arguments, and its standard input.
function run(text) {
    const script = `curl() { for a in "$@"; do printf '%s\\0' "$a"; done; case "$*" in *@-*) cat;; esac; }\n`;
    const out = execFileSync("/bin/sh", [], {input: script + text, env: {API_KEY: "KEY"}, maxBuffer: 1 << 26});
    return out.toString().split("\0");
}

const bodyOf = (words) => JSON.parse(words[words.indexOf("--data-raw") + 1]);

test("curl: a chat, as the shell reads it", () => {
    const evil = "it's $(touch x) `id` \"q\" \\ \u202e !! \u0007\nEND_OF_BODY";
    const made = curlOf(captured("openai.chat", {
        messages: [{role: "user", parts: [{type: "text", content: evil}]},
            {role: "assistant", parts: [{type: "tool_call", id: "1", name: "f", arguments: {a: 1}}]},
            {role: "tool", parts: [{type: "tool_call_response", id: "1", response: {b: 2}}]}],
        parameters: {temperature: 0}, tools: [{type: "function", name: "f", parameters: {}}]},
        {url_path: "/v1/chat/completions", stream: true}));
    assert.ok(!/[\u202e\u0007]/.test(made.text));
    const words = run(made.text);
    assert.ok(words.includes("https://api.example.com/v1/chat/completions"));
    assert.ok(words.includes("Authorization: Bearer KEY"));
    assert.deepEqual(bodyOf(words), {model: "m", messages: [
        {role: "user", content: evil},
        {role: "assistant", content: null, tool_calls: [
            {id: "1", type: "function", function: {name: "f", arguments: "{\"a\":1}"}}]},
        {role: "tool", tool_call_id: "1", content: "{\"b\":2}"}],
        tools: [{type: "function", function: {name: "f", parameters: {}}}], temperature: 0, stream: true});
    assert.equal(shellQuote("a'b"), "'a'\\''b'");
});

test("curl: hostile addresses and a very long prompt", () => {
    const made = curlOf(captured("openai.chat", {messages: [{role: "user", parts: [
        {type: "text", content: "x".repeat(300000) + "\nEND_OF_BODY\n$(id)"}]}]},
        {server_address: "a';id;'", url_path: "/'; id #"}));
    const words = run(made.text);
    assert.equal(words[1], "https://HOST/';id#");
    const sent = JSON.parse(words.at(-1));
    assert.ok(sent.messages[0].content.endsWith("END_OF_BODY\n$(id)"));
    assert.ok(made.notes.includes("the address was not seen"));
});

test("curl: Anthropic's, Responses', Ollama's form, embeddings", () => {
    const messages = [{role: "system", parts: [{type: "text", content: "S"}]},
        {role: "assistant", parts: [{type: "reasoning", content: "R"},
                                    {type: "tool_call", id: "1", name: "f", arguments: {a: 1}}]},
        {role: "user", parts: [{type: "tool_call_response", id: "1", response: "x", is_error: true},
                               {type: "text", content: "Go"}]}];
    const anthropic = curlOf(captured("anthropic.messages", {messages, tools: [{name: "f", parameters: {a: 1}}]}));
    assert.ok(run(anthropic.text).includes("x-api-key: KEY"));
    assert.ok(anthropic.notes.includes("earlier reasoning is left out"));
    const sent = bodyOf(run(anthropic.text));
    assert.equal(sent.system, "S");
    assert.deepEqual(sent.tools, [{name: "f", input_schema: {a: 1}}]);
    assert.deepEqual(sent.messages[1].content.map((b) => b.type), ["tool_result", "text"]);
    const responses = bodyOf(run(curlOf(captured("openai.responses", {messages})).text));
    assert.deepEqual(responses.input.map((i) => i.type ?? i.role),
                     ["system", "function_call", "function_call_output", "user"]);
    const ollama = curlOf(captured("ollama.chat", {messages},
                                   {server_address: "localhost", server_port: 11434, stream: false,
                                    capture: {route: "libc"}}));
    assert.ok(run(ollama.text).includes("http://localhost:11434/api/chat"));
    assert.equal(bodyOf(run(ollama.text)).stream, false);
    assert.ok(!ollama.text.includes("API_KEY"));
    const embed = bodyOf(run(curlOf(captured("openai.embeddings", {input: ["a"], parameters: {dimensions: 4}})).text));
    assert.deepEqual(embed, {model: "m", input: ["a"], dimensions: 4});
    assert.equal(curlOf(span("a", null, 0, 1)), null);
});

test("signs that turn or hide text are shown", () => {
    assert.equal(texts.shown("a\u202eb\u0000c\u200bd\te\nf\u001b"), "a⟦U+202E⟧b␀c⟦U+200B⟧d\te\nf␛");
    assert.equal(texts.shown("שלום 👍🏽 e\u0301"), "שלום 👍🏽 e\u0301");
    assert.equal(texts.shown("\ud800x"), "\ufffdx");
    assert.equal(texts.shown("a\r\nb\rc"), "a\nb␍c");
});

test("long texts are cut between characters, in steps that grow", () => {
    assert.deepEqual(texts.steps("abc", 10), ["abc"]);
    const emoji = "👍".repeat(10);
    assert.equal(texts.cutAt(emoji, 5), 4);
    assert.equal(texts.cutAt("ab\ncdefgh", 5), 3);
    const long = Array.from({length: 5000}, (_, i) => `line ${i}`).join("\n");
    const pieces = texts.steps(long, 4096);
    assert.equal(pieces.join(""), long);
    assert.ok(pieces[0].length <= 4096);
    assert.ok(pieces.length > 2);
});
