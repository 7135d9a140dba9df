// Traces for the tests of the trace page and the sessions: an agent with every kind of part, one
// that runs, one of ten thousand spans, hostile ones.
import {iso, numbers, span, spanId, text, trace, traceId} from "./seed.mjs";

export const EVIL = "<script>document.title = \"owned\"</script><img src=x onerror=alert(1)> \u202eevil\u202c";

const TOOLS = [{type: "function", name: "get_weather", description: "Current weather of a city.\nIn metric units.",
                parameters: {type: "object", properties: {city: {type: "string"}}}},
               {type: "function", name: "find_trains", parameters: {}}];

/** What a captured call's metadata holds. */
export function captured(more = {}) {
    return {provider: "anthropic", operation: "chat", api: "anthropic.messages", request_model: "claude-sonnet-4-5",
            response_model: "claude-sonnet-4-5-20250929", response_id: "msg_01", stream: true, status_code: 200,
            usage_source: "reported", cost_source: "table", server_address: "api.anthropic.com", server_port: 443,
            url_path: "/v1/messages", finish_reasons: ["end_turn"], capture: {route: "openssl"},
            process: {pid: 4242, exe: "/usr/bin/python3.11", argv: ["python3", "agent.py", "--city", "Rome"]},
            price: {table: "prices 1", provider: "anthropic", model: "claude-sonnet-4-5", input_mtok: 3, output_mtok: 15,
                    cache_read_mtok: 0.3}, ...more};
}

const SYSTEM = text("system", "You are a careful travel agent. ".repeat(40));
const ASKED = [SYSTEM, text("user", "Plan a day in Rome tomorrow. What is the weather like?")];
const CALLED = {role: "assistant", parts: [
    {type: "reasoning", content: "The user wants a plan; I need the weather and a train."},
    {type: "text", content: "Let me look at the weather and the trains."},
    {type: "tool_call", id: "toolu_1", name: "get_weather", arguments: {city: "Rome", day: "tomorrow"}},
    {type: "tool_call", id: "toolu_2", name: "find_trains", arguments: {from: "Florence", to: "Rome"}}]};
const RESULTS = {role: "user", parts: [
    {type: "tool_call_response", id: "toolu_2", response: "the railway did not answer", is_error: true},
    {type: "tool_call_response", id: "toolu_1", response: {temperature: 20, sky: "sunny"}}]};
const PICTURE = {role: "user", parts: [{type: "blob", modality: "image", mime_type: "image/jpeg", size: 182044},
                                       {type: "text", content: `A picture of the hotel. ${EVIL}`}]};
const ANSWER = {role: "assistant", finish_reason: "stop", parts: [{type: "text", content:
    "Rome will be sunny tomorrow, 20 °C.\n\nTake the 9:40 train."}]};

function llm(n, of, parent, from, to, metadata, input, late) {
    return span(n, of, parent, from, to, {name: "chat claude-sonnet-4-5", span_type: "llm", model: "claude-sonnet-4-5-20250929",
        metadata: captured(metadata), input_data: {messages: input, parameters: {max_tokens: 1024, temperature: 0.3}, tools: TOOLS}}, late);
}

/** Trace n from t on, 9.4 s; its spans are 100 n to 100 n + 9. */
export function agent(n, t, more = {}) {
    const id = (k) => n * 100 + k;
    return [
        ...trace(n, t, t + 9400, {name: "travel-agent", user_id: "ada@example.com", session_id: "trip-to-rome", tags: ["prod", "de"],
                                  metadata: {version: "1.4.2", flags: {beta: true}}, ...more}),
        {op: "complete_trace", trace_id: traceId(n), output: "Rome will be sunny. Take the 9:40 train.\nHave a good trip!"},
        ...span(id(0), n, null, t, t + 9400, {name: "travel-agent", span_type: "agent", input_data: {
            question: "Plan a day in Rome tomorrow.", options: {budget: 200, interests: ["food", "art"]}}},
            {output_data: {answer: "Rome will be sunny."}}),
        ...span(id(1), n, id(0), t + 40, t + 620, {name: "search-guides", span_type: "retrieval", input_data: {query: "Rome"}},
                {output_data: {documents: [{id: 1, text: "The Colosseum opens at nine."}]}}),
        ...llm(id(2), n, id(0), t + 700, t + 3300, {ttfc_ms: 380, ttft_ms: 640, chunk_count: 62, tokens_cache_read: 900,
               tokens_reasoning: 41}, ASKED, {output_data: {messages: [{...CALLED, finish_reason: "tool_call"}]},
               tokens_input: 1290, tokens_output: 188, cost_usd: 0.004}),
        ...span(id(3), n, id(0), t + 3340, t + 4100, {name: "get_weather", span_type: "tool", input_data: {city: "Rome"}},
                {output_data: {temperature: 20}}),
        ...span(id(4), n, id(0), t + 3350, t + 5600, {name: "find_trains", span_type: "tool", input_data: {to: "Rome"},
                metadata: {server: "railway-7"}},
                {error: "Timeout: the railway did not answer\n  at find (trains.py:17)"}),
        ...span(id(5), n, id(4), t + 3400, t + 5580, {name: "GET trains.example.com", span_type: "function"}),
        ...llm(id(6), n, id(0), t + 5700, t + 9300, {ttfc_ms: 410, ttft_ms: 700, chunk_count: 80, partial: true},
               [...ASKED, CALLED, RESULTS, PICTURE], {output_data: {messages: [ANSWER]}, tokens_input: 1630,
               tokens_output: 240, cost_usd: 0.007}),
        ...span(id(7), n, id(6), t + 5800, t + 9200, {name: "told twice", span_type: "llm", metadata: {counted: false}},
                {metadata: {counted: false, tokens_input: 1630, cost_usd: 0.007}}),
        ...span(id(8), n, 0xdead, t + 6000, t + 6900, {name: "audit-log", span_type: "other"}),
    ];
}

/** Attempts of one request: 429, 503, 200. */
export function retries(n, t) {
    const attempt = (k, code, late) => span(n * 100 + k, n, null, t + k * 200, t + k * 200 + 100, {
        name: "chat gpt-4o", span_type: "llm", metadata: {request_model: "gpt-4o", api: "openai.chat", provider: "openai",
        url_path: "/v1/chat/completions", status_code: code, ...(k ? {retry: k} : {})}, input_data: {messages: [text("user", "Hi")]}}, late);
    return [...trace(n, t, t + 600, {name: "retries"}), ...attempt(0, 429, {error: "rate limit"}),
            ...attempt(1, 503, {error: "overloaded"}), ...attempt(2, 200, {tokens_output: 3})];
}

export function running(n, t) {
    return [...trace(n, t, null, {name: "live-run"}),
            ...span(n * 100, n, null, t, null, {name: "live-run", span_type: "agent"}),
            ...span(n * 100 + 1, n, n * 100, t + 10, null, {name: "chat gpt-4o", span_type: "llm", model: "gpt-4o",
                metadata: {stream: true, chunk_count: 12, ttft_ms: 300}, input_data: {messages: [text("user", "Tell me a story.")]}})];
}

/** count spans in one trace, up to about a hundred levels deep. */
export function large(n, t, count = 10000) {
    const random = numbers(7);
    const lines = trace(n, t, t + count * 10, {name: "ten thousand spans"});
    for (let i = 0; i < count; i++) {
        const parent = i === 0 ? null : n * 1000000 + Math.floor(Math.max(0, i - 1 - random() * 200));
        const end = i === 0 ? count * 10 : Math.min(count * 10, i * 10 + 50 + random() * 2000);
        lines.push(...span(n * 1000000 + i, n, parent, t + i * 10, t + end, {
            name: `step ${i}`, span_type: ["llm", "tool", "chain", "function"][i % 4]},
            i % 4 === 0 ? {tokens_input: 10, tokens_output: 5, cost_usd: 0.0001} : {}));
    }
    return lines;
}

export function talk(n, t, count = 200) {
    const messages = Array.from({length: count}, (_, i) => text(i % 2 ? "assistant" : "user", `message ${i}`));
    return [...trace(n, t, t + 100, {name: "long history"}),
            ...span(n * 100, n, null, t, t + 100, {name: "chat", span_type: "llm", input_data: {messages}},
                    {output_data: {messages: [text("assistant", "done")]}})];
}

export const LINE = "A line of a very long prompt, again and again.\n";

/** A prompt of so many characters; the store may cut it (the contract's `_truncated`). */
export function huge(n, t, characters) {
    const prompt = LINE.repeat(Math.ceil(characters / LINE.length));
    return [...trace(n, t, t + 100, {name: "huge prompt"}),
            ...span(n * 100, n, null, t, t + 100, {name: "chat", span_type: "llm", input_data: {messages: [text("user", prompt)]}},
                    {output_data: {messages: [text("assistant", "Short.")]}})];
}

/** Parents in a circle, a name that is a script, text that is turned round. */
export function hostile(n, t) {
    return [...trace(n, t, t + 100, {name: EVIL, tags: [EVIL], user_id: EVIL, session_id: "a/b?c#d&e=\u202e", metadata: {[EVIL]: EVIL}}),
            ...span(n * 100, n, n * 100 + 1, t, t + 50, {name: EVIL, model: EVIL, input_data: {[EVIL]: EVIL}}, {error: EVIL}),
            ...span(n * 100 + 1, n, n * 100 + 2, t + 10, t + 60, {name: "b"}),
            ...span(n * 100 + 2, n, n * 100, t + 20, t + 70, {name: "c"})];
}

export {iso, spanId, traceId};
