// Traces for the browser tests and the pictures: lines of POST /api/ingest. The same numbers give
// the same traces.

/** Numbers in 0..1 that look random; the same seed gives the same ones. */
export function numbers(seed = 1) {
    let s = seed >>> 0;
    return () => {
        s = (s + 0x6d2b79f5) >>> 0;
        let x = Math.imul(s ^ (s >>> 15), 1 | s);
        x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
        return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
    };
}

export const iso = (ms) => new Date(ms).toISOString().replace("Z", "000+00:00");
export const traceId = (n) => n.toString(16).padStart(32, "0");
export const spanId = (n) => n.toString(16).padStart(16, "0");

/** A trace's two lines; end null: it runs. */
export function trace(n, start, end, {name = `trace ${n}`, ...more} = {}) {
    const lines = [
        {
            op: "create_trace",
            trace_id: traceId(n),
            name,
            project_id: "demo",
            start_time: iso(start),
            ...more,
        },
    ];
    if (end !== null) lines.push({op: "complete_trace", trace_id: traceId(n), end_time: iso(end)});
    return lines;
}

/** A span's two lines; end null: it runs. `late` is told at its completion. */
export function span(
    n,
    of,
    parent,
    start,
    end,
    {name = `span ${n}`, span_type = "chain", ...more} = {},
    late = {},
) {
    const lines = [
        {
            op: "create_span",
            trace_id: traceId(of),
            span_id: spanId(n),
            name,
            span_type,
            start_time: iso(start),
            ...(parent === null ? {} : {parent_span_id: spanId(parent)}),
            ...more,
        },
    ];
    if (end !== null)
        lines.push({op: "complete_span", span_id: spanId(n), end_time: iso(end), ...late});
    return lines;
}

export const text = (role, content) => ({role, parts: [{type: "text", content}]});

/** A call to a model, as a captured one is stored. */
export function call(
    n,
    of,
    parent,
    start,
    end,
    {
        model,
        prompt,
        answer,
        tokens = [100, 50],
        cached = null,
        cost = 0.001,
        ttft = null,
        error = null,
        provider = "openai",
        stream = true,
    },
) {
    const metadata = {
        provider,
        operation: "chat",
        request_model: model,
        response_model: model,
        stream,
        status_code: error ? 429 : 200,
        usage_source: "reported",
        cost_source: "table",
        ...(cached === null ? {} : {tokens_cache_read: cached}),
        ...(ttft === null
            ? {}
            : {ttft_ms: ttft, ttfc_ms: Math.round(ttft * 0.8), chunk_count: tokens[1]}),
        finish_reasons: error ? [] : ["stop"],
    };
    return span(
        n,
        of,
        parent,
        start,
        end,
        {
            name: `chat ${model}`,
            span_type: "llm",
            model,
            metadata,
            input_data: {messages: [text("user", prompt)], parameters: {temperature: 0.2}},
        },
        error
            ? {error}
            : {
                  output_data: {messages: [text("assistant", answer)]},
                  tokens_input: tokens[0],
                  tokens_output: tokens[1],
                  cost_usd: cost,
              },
    );
}

const NAMES = [
    "answer-question",
    "research-agent",
    "summarise-report",
    "python app.py",
    "support-chat",
    "classify-batch",
];
const MODELS = [
    ["gpt-4o", "openai", 0.0000065],
    ["gpt-4o-mini", "openai", 0.0000004],
    ["claude-sonnet-4-5", "anthropic", 0.000006],
    ["gemini-2.5-flash", "google", 0.0000007],
];
const USERS = ["ada", "grace", "linus", "barbara", null];
const TAGS = [["prod", "de"], ["prod", "en"], ["staging"], ["eval"], []];
const PROMPTS = [
    "What is the capital of France?",
    "Summarise the report of the third quarter.",
    "Which of these tickets are urgent?",
    "Plan a walk over the Alps in five days.",
    "Translate this letter into German.",
];

/** Traces of every day, the newest a second before `now`, each `gap` ms older than the one before. */
export function days(count, {now = Date.now(), gap = 60000, first = 1, seed = 1} = {}) {
    const random = numbers(seed);
    const pick = (list) => list[Math.floor(random() * list.length)];
    const lines = [];
    for (let i = 0; i < count; i++) {
        const n = first + i;
        const [model, provider, price] = pick(MODELS);
        const took = Math.round(300 + random() ** 3 * 20000);
        const start = now - 1000 - took - i * gap;
        const user = pick(USERS);
        const fails = random() < 0.07;
        lines.push(
            ...trace(n, start, start + took, {
                name: pick(NAMES),
                tags: pick(TAGS),
                ...(user ? {user_id: user, session_id: `${user}-${Math.floor(random() * 4)}`} : {}),
            }),
        );
        const calls = 1 + Math.floor(random() * 3);
        for (let k = 0; k < calls; k++) {
            const from = start + (took * k) / calls;
            const tokens = [Math.round(100 + random() * 6000), Math.round(20 + random() * 900)];
            const prompt = pick(PROMPTS);
            lines.push(
                ...call(n * 8 + k, n, null, from, from + took / calls, {
                    model,
                    provider,
                    prompt,
                    answer: `About “${prompt}”: an answer of model ${model}.`,
                    tokens,
                    cached: random() < 0.4 ? Math.round(tokens[0] / 2) : null,
                    cost: (tokens[0] + 4 * tokens[1]) * price,
                    ttft: Math.round(80 + random() * 700),
                    error:
                        fails && k === calls - 1
                            ? "429 Too Many Requests: rate limit reached"
                            : null,
                }),
            );
        }
    }
    return lines;
}
