// What is known of a span beside what was said: usage, cost, timing, HTTP, process, ids.

import {el} from "./dom.js";
import {bytes, cost, count, duration, UNKNOWN} from "./format.js";
import {fullTime} from "./time.js";
import {href, pathOf} from "./router.js";
import {shown} from "./conversation_text.js";
import {jsonView} from "./json_view.js";
import {durationOf, isObject, ownMetadata, ratesOf, retryChain, spanFacts, spanStatus} from "./span_facts.js";

const SOURCES = {
    reported: "reported by the provider", header: "out of the answer's headers",
    estimated: "estimated from the text", missing: "not told by the provider",
    table: "from the price table",
};

function source(name) {
    if (name === null) return null;
    return Object.hasOwn(SOURCES, name) ? SOURCES[name] : shown(name);
}

// A name in small letters is a part of what stands above.
function row(name, value) {
    if (value === null || value === undefined || value === UNKNOWN || value === "") return null;
    return el("div", {class: /^[a-z]/.test(name) ? "fact fact-part" : "fact"}, el("dt", {}, name), el("dd", {}, value));
}

function group(title, ...rows) {
    const known = rows.flat().filter((item) => item !== null);
    if (known.length === 0) return null;
    return el("section", {class: "facts"}, el("h3", {}, title), el("dl", {}, known));
}

function text(value) {
    return value === null || value === undefined ? null : shown(String(value));
}

function usage(facts) {
    const bracket = (value) => (facts.counted || value === UNKNOWN ? value : `(${value})`);
    return group("Usage",
        row("Input tokens", bracket(count(facts.tokens_input))),
        row("of these cached", count(facts.tokens_cache_read)),
        row("written to the cache", count(facts.tokens_cache_write)),
        row("for an hour", count(facts.tokens_cache_write_1h)),
        row("audio", count(facts.tokens_audio_input)),
        row("Output tokens", bracket(count(facts.tokens_output))),
        row("of these reasoning", count(facts.tokens_reasoning)),
        row("audio", count(facts.tokens_audio_output)),
        row("Web searches", count(facts.web_searches)),
        row("Source", source(facts.usage_source)),
        facts.counted ? null : row("Counted", "No: the calls below it count"));
}

const RATES = {
    input_mtok: "Input, a million tokens", output_mtok: "Output, a million tokens",
    cache_read_mtok: "Cached, a million tokens", cache_write_mtok: "Cache write, a million tokens",
    cache_write_1h_mtok: "Cache write for an hour, a million tokens",
    input_audio_mtok: "Audio in, a million tokens", output_audio_mtok: "Audio out, a million tokens",
    reasoning_mtok: "Reasoning, a million tokens",
    web_searches_kcount: "Web searches, a thousand", requests_kcount: "Requests, a thousand",
};

function priceRows(price) {
    if (price === null) return [];
    return [...Object.entries(price).filter(([, value]) => typeof value === "number")
        .map(([name, value]) => row(Object.hasOwn(RATES, name) ? RATES[name] : shown(name),
                                    name === "service_tier_factor" ? `× ${value}` : cost(value))),
            row("Price of", [price.provider, price.model].filter((t) => typeof t === "string").map(shown).join(" ")),
            row("Table", text(price.table))];
}

function money(facts) {
    const value = cost(facts.cost_usd);
    return group("Cost", row("Cost", facts.counted || value === UNKNOWN ? value : `(${value})`),
                 row("Source", facts.cost_usd === null ? null : source(facts.cost_source)),
                 row("Service tier", text(facts.service_tier)), priceRows(facts.price));
}

function timing(span, facts, node) {
    const rates = ratesOf(span, facts);
    const rate = (value, what) => (value === null ? null : `${value < 9.95 ? value.toFixed(1) : count(Math.round(value))} ${what}`);
    return group("Timing", row("Start", fullTime(span.start_time)),
                 row("End", span.end_time ? fullTime(span.end_time) : null),
                 row("Duration", duration(durationOf(span))),
                 row("By itself", node === null || node.children.length === 0 ? null : duration(node.self)),
                 row("First chunk", duration(facts.ttfc_ms)), row("First content", duration(facts.ttft_ms)),
                 row("Output rate", rate(rates.tokens, "tokens/s")), row("Chunks", count(facts.chunk_count)),
                 row("Chunk rate", rate(rates.chunks, "a second")),
                 row("Streamed", facts.stream === null ? null : facts.stream ? "yes" : "no"));
}

function chainView(span, spans) {
    const chain = retryChain(span, spans);
    if (chain.length === 0) return null;
    return el("ol", {class: "chain"}, chain.map((attempt, i) => {
        const status = spanFacts(attempt).status_code ?? spanStatus(attempt);
        const label = `${status} · ${duration(durationOf(attempt))}`;
        return el("li", {}, attempt.span_id === span.span_id ? el("strong", {}, `${i + 1}: ${label} (this one)`)
            : el("a", {href: href(pathOf("trace", attempt.trace_id), {span: attempt.span_id})}, `${i + 1}: ${label}`));
    }));
}

function limits(metadata) {
    return isObject(metadata?.rate_limits) ? jsonView(metadata.rate_limits, {open: 1}) : null;
}

function http(span, facts, spans) {
    const metadata = isObject(span.metadata) ? span.metadata : {};
    return group("HTTP", row("Status", count(facts.status_code)), row("Retry", count(facts.retry)),
                 row("Attempts", chainView(span, spans)), row("Retry after", text(metadata.retry_after)),
                 row("Server", facts.server_address === null ? null
                     : shown(facts.server_address) + (facts.server_port === null ? "" : `:${facts.server_port}`)),
                 row("Path", text(facts.url_path)), row("API", text(facts.api)),
                 row("Request id", text(facts.request_id)), row("Rate limits", limits(metadata)));
}

function model(facts) {
    return group("Model", row("Provider", text(facts.provider)), row("Operation", text(facts.operation)),
                 row("Asked for", text(facts.request_model)), row("Answered by", text(facts.response_model)),
                 row("Finished", facts.finish_reasons.map(shown).join(", ")),
                 row("Error type", text(facts.error_type)), row("Response id", text(facts.response_id)),
                 row("Conversation", text(facts.conversation_id)),
                 row("Previous response", text(facts.previous_response_id)));
}

function process(facts) {
    const {process: from, capture} = facts;
    const argv = Array.isArray(from?.argv) ? from.argv.map(String).join(" ") : null;
    return group("Process", row("Process id", text(from?.pid)), row("Program", text(from?.exe)),
                 row("Arguments", argv === null ? null : el("code", {class: "said-mono"}, shown(argv))),
                 row("Captured by", text(capture?.route)),
                 row("Bytes lost", capture?.dropped_bytes > 0 ? bytes(capture.dropped_bytes) : null));
}

function others(span) {
    const left = ownMetadata(span);
    if (left === null) return null;
    return el("section", {class: "facts facts-wide"}, el("h3", {}, "Metadata"), jsonView(left, {open: 2}));
}

function ids(span) {
    return group("Ids", row("Span", el("code", {}, shown(span.span_id))),
                 row("Parent", span.parent_span_id ? el("code", {}, shown(span.parent_span_id)) : null),
                 row("Trace", el("code", {}, shown(span.trace_id))));
}

/** The groups of facts of a span; node: its place in the tree, or null; spans: the trace's. */
export function detailsView(span, node, spans) {
    const facts = spanFacts(span);
    return el("div", {class: "details-view"}, usage(facts), money(facts), timing(span, facts, node), model(facts),
              http(span, facts, spans), process(facts), ids(span), others(span));
}
