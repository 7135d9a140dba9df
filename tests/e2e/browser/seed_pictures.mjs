// Traces as a busy project has them: more by day than by night, a week of them, and one agent's run
// with tools.
import {call, iso, numbers, span, text, trace, traceId} from "./seed.mjs";

const HOUR = 3600e3;
const MODELS = [
    ["claude-sonnet-4-5", "anthropic", 3e-6, 5],
    ["gpt-4o", "openai", 2.5e-6, 4],
    ["gpt-4o-mini", "openai", 0.15e-6, 8],
    ["gemini-2.5-flash", "google", 0.3e-6, 4],
    ["text-embedding-3-small", "openai", 0.02e-6, 3],
];
const CHAT_MODELS = MODELS.slice(0, 4);
const WORK = [
    ["support-chat", ["prod", "de"]],
    ["support-chat", ["prod", "en"]],
    ["answer-question", ["prod"]],
    ["research-agent", ["prod"]],
    ["summarise-report", ["batch"]],
    ["classify-tickets", ["batch"]],
    ["python eval.py", ["eval"]],
    ["draft-reply", ["staging"]],
];
const USERS = ["ada", "grace", "linus", "barbara", "edsger", "margaret", null, null];
const ASKED = [
    "Why is my parcel late?",
    "Can I change the address of my order?",
    "Summarise the third quarter's report for the board.",
    "Which of these tickets are urgent?",
    "Find three recent papers on trace sampling.",
    "Where do I see my invoices?",
];

function weighted(list, random) {
    let at = random() * list.reduce((sum, m) => sum + m[3], 0);
    return list.find((m) => (at -= m[3]) < 0) ?? list[0];
}

/** About 900 traces of the last seven days, the newest still running. */
export function busyDays(now) {
    const random = numbers(42);
    const lines = [];
    let n = 1;
    let at = now - 9000;
    while (at > now - 7 * 24 * HOUR) {
        const [name, tags] = WORK[Math.floor(random() * WORK.length)];
        const user = USERS[Math.floor(random() * USERS.length)];
        const took = Math.round(500 + random() ** 4 * 24000);
        const fails = random() < 0.035;
        const runs = n === 1;
        const asked = ASKED[Math.floor(random() * ASKED.length)];
        lines.push(
            ...trace(n, at - (runs ? 0 : took), runs ? null : at, {
                name,
                tags,
                ...(user
                    ? {user_id: user, session_id: `${user}-${Math.floor(random() * 40)}`}
                    : {}),
            }),
        );
        const calls = 1 + Math.floor(random() * 3);
        for (let k = 0; k < calls; k++) {
            const [model, provider, price] = weighted(k > 0 ? MODELS : CHAT_MODELS, random);
            const start = at - (runs ? 0 : took) + (took * k) / calls;
            const tokens = [
                Math.round(200 + random() ** 2 * 7000),
                Math.round(30 + random() * 900),
            ];
            const slow =
                {"claude-sonnet-4-5": 620, "gpt-4o": 430, "gpt-4o-mini": 260}[model] ?? 180;
            lines.push(
                ...call(
                    n * 8 + k,
                    n,
                    null,
                    start,
                    runs && k === calls - 1 ? null : start + took / calls,
                    {
                        model,
                        provider,
                        prompt: asked,
                        answer: "Here is what I found.",
                        tokens,
                        cost: tokens[0] * price + tokens[1] * price * 4,
                        cached: random() < 0.5 ? Math.round(tokens[0] * random()) : null,
                        ttft: Math.round(slow * (0.6 + random())),
                        error:
                            fails && k === calls - 1
                                ? "429 Too Many Requests: rate limit reached for requests"
                                : null,
                    },
                ),
            );
        }
        const hour = (14 - Math.round((now - at) / HOUR) + 24 * 8) % 24; // it is afternoon now
        at -= (hour > 6 && hour < 19 ? 6 : 22) * 60e3 * (0.3 + random() * 1.6);
        n++;
    }
    return lines;
}

const toolCall = (id, name, args) => ({
    role: "assistant",
    parts: [{type: "tool_call", id, name, arguments: args}],
});
const toolResult = (id, result) => ({
    role: "tool",
    parts: [{type: "tool_call_response", id, response: result}],
});

/** A research agent: plan, two tools, a failed call tried again, an answer. */
export function agent(n, end) {
    const start = end - 14200;
    const id = n * 100;
    const model = "claude-sonnet-4-5";
    const question =
        "Which of our suppliers can deliver the new casing before March, and what would it cost?";
    const meta = (ttft, chunks, more = {}) => ({
        provider: "anthropic",
        operation: "chat",
        request_model: model,
        response_model: model + "-20250929",
        stream: true,
        status_code: 200,
        usage_source: "reported",
        cost_source: "table",
        ttft_ms: ttft,
        ttfc_ms: ttft - 40,
        chunk_count: chunks,
        finish_reasons: ["stop"],
        ...more,
    });
    const system = text(
        "system",
        "You answer questions of the purchasing department. Use the tools; name your sources.",
    );
    const plan = [system, text("user", question)];
    const search = toolCall("call_1", "search_suppliers", {
        part: "casing B7",
        before: "2026-03-01",
    });
    const found = toolResult("call_1", {
        suppliers: [
            {name: "Alpina", days: 41, price: 12.4},
            {name: "Nordform", days: 78, price: 10.9},
        ],
    });
    const quote = toolCall("call_2", "get_quote", {supplier: "Alpina", pieces: 2000});
    const quoted = toolResult("call_2", {price: 23870, currency: "EUR", valid_until: "2026-01-31"});
    const llm = (k, parent, from, to, input, output, tokens, cost, ttft, more = {}) =>
        span(
            id + k,
            n,
            id + parent,
            start + from,
            start + to,
            {
                name: `chat ${model}`,
                span_type: "llm",
                model,
                metadata: meta(ttft, tokens[1], {
                    tokens_cache_read: Math.round(tokens[0] * 0.6),
                    ...more,
                }),
                input_data: {messages: input, parameters: {temperature: 0.2, max_tokens: 2048}},
            },
            {
                output_data: {messages: output},
                tokens_input: tokens[0],
                tokens_output: tokens[1],
                cost_usd: cost,
            },
        );
    return [
        ...trace(n, start, null, {
            name: "research-agent",
            tags: ["prod", "purchasing"],
            user_id: "margaret",
            session_id: "margaret-suppliers",
            metadata: {release: "2026.1", region: "eu-central-1"},
        }),
        ...span(
            id,
            n,
            null,
            start,
            end,
            {name: "research", span_type: "agent", input_data: {question}},
            {output_data: {sources: 2}},
        ),
        ...span(id + 1, n, id, start + 60, start + 3300, {name: "plan", span_type: "chain"}),
        ...llm(
            2,
            1,
            120,
            3200,
            plan,
            [
                {
                    role: "assistant",
                    parts: [
                        {
                            type: "reasoning",
                            content: "Search suppliers first; then ask the quickest for a quote.",
                        },
                        search.parts[0],
                    ],
                },
            ],
            [1840, 96],
            0.0042,
            640,
        ),
        ...span(
            id + 3,
            n,
            id,
            start + 3400,
            start + 4900,
            {name: "search_suppliers", span_type: "tool", input_data: search.parts[0].arguments},
            {output_data: found.parts[0].response},
        ),
        ...span(
            id + 4,
            n,
            id + 3,
            start + 3450,
            start + 3900,
            {
                name: "embed query",
                span_type: "embedding",
                model: "text-embedding-3-small",
                metadata: {provider: "openai"},
            },
            {tokens_input: 14, cost_usd: 0.0000003},
        ),
        ...span(
            id + 5,
            n,
            id + 3,
            start + 3950,
            start + 4850,
            {name: "vector search", span_type: "retrieval", input_data: {k: 8}},
            {output_data: {hits: 8}},
        ),
        ...llm(6, 0, 5000, 7300, [...plan, search, found], [quote], [2210, 71], 0.0039, 580),
        ...span(
            id + 7,
            n,
            id,
            start + 7400,
            start + 8200,
            {name: "get_quote", span_type: "tool", input_data: quote.parts[0].arguments},
            {error: "504 Gateway Timeout"},
        ),
        ...span(
            id + 8,
            n,
            id,
            start + 8300,
            start + 9700,
            {
                name: "get_quote",
                span_type: "tool",
                input_data: quote.parts[0].arguments,
                metadata: {retry: 1},
            },
            {output_data: quoted.parts[0].response},
        ),
        ...llm(
            9,
            0,
            9800,
            14100,
            [...plan, search, found, quote, quoted],
            [
                text(
                    "assistant",
                    "**Alpina** can deliver 2,000 casings B7 in 41 days, well before March.\n\n- Price: 23,870 EUR, valid until 31 January\n- Nordform is cheaper (10.90 a piece) but needs 78 days\n\nSources: supplier index, quote of Alpina.",
                ),
            ],
            [2540, 212],
            0.0081,
            710,
        ),
        {
            op: "complete_trace",
            trace_id: traceId(n),
            end_time: iso(end),
            output: "Alpina: 41 days, 23,870 EUR for 2,000 pieces.",
        },
    ];
}

const TURNS = [
    [
        "We need 2,000 casings B7 before March. Who made the last ones?",
        "The last 1,500 came from Nordform in June: 11.20 EUR a piece, delivered in 81 days.",
    ],
    [
        "That was too slow. Were there complaints about the quality?",
        "One: 14 pieces with scratches, replaced within a week. No other supplier of this part " +
            "had fewer.",
    ],
];

/** What was said before in the agent's session. */
export function chat(n, end) {
    return TURNS.flatMap(([prompt, answer], i) => {
        const at = end - (TURNS.length - i) * 95000;
        return [
            ...trace(n + i, at, at + 2900, {
                name: "support-chat",
                tags: ["prod", "purchasing"],
                user_id: "margaret",
                session_id: "margaret-suppliers",
            }),
            ...call(n + i, n + i, null, at + 20, at + 2890, {
                model: "gpt-4o",
                prompt,
                answer,
                tokens: [410 + i * 160, 38],
                cost: 0.0014,
                ttft: 420,
            }),
        ];
    });
}
