// What a span tells, by the names of `llm-tracer spans --json`, wherever a client put it: the
// contract's fields, metadata, or (clients of older servers) output_data.llm_tracer. Pure.

/** Milliseconds since 1970, with microseconds as a fraction; NaN where it is no time. */
export function timeOf(iso) {
    if (typeof iso !== "string") return NaN;
    // As the service writes them: what Date.parse leaves out are three digits at a known place.
    if (iso.length === 32 && iso.endsWith("+00:00")) return Date.parse(iso) + Number(iso.slice(23, 26)) / 1000;
    const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?$/.exec(iso);
    if (parts === null) return Date.parse(iso);
    const whole = Date.parse(parts[1] + (parts[3] ?? "Z"));
    return whole + (parts[2] === undefined ? 0 : Number(parts[2]) * 1000);
}

/** A finite number out of a number or its text; null for everything else. */
export function numberOf(value) {
    if (typeof value === "number") return Number.isFinite(value) ? value : null;
    if (typeof value !== "string" || value.trim() === "") return null;
    const number = Number(value);
    return Number.isFinite(number) ? number : null;
}

const JSON_TEXT_MAX = 1 << 20;

/** An object or array that came as JSON text, as itself; every other value as it is. */
export function unwrapped(value) {
    if (typeof value !== "string" || value.length > JSON_TEXT_MAX || !/^\s*[[{]/.test(value)) {
        return value;
    }
    try {
        return JSON.parse(value);
    } catch {
        return value;
    }
}

export function isObject(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

const NUMBERS = ["chunk_count", "ttfc_ms", "ttft_ms", "tokens_cache_read", "tokens_cache_write",
    "tokens_cache_write_1h", "tokens_reasoning", "tokens_audio_input", "tokens_audio_output",
    "web_searches", "status_code", "retry", "server_port"];
const TEXTS = ["provider", "operation", "api", "request_model", "response_model", "response_id",
    "usage_source", "cost_source", "error_type", "service_tier", "conversation_id",
    "previous_response_id", "server_address", "url_path", "request_id", "anthropic_version"];
const OBJECTS = ["process", "capture", "price", "rate_limits"];

/** True for true and "true", false for false and "false", else null. */
function boolOf(value) {
    if (value === true || value === "true") return true;
    return value === false || value === "false" ? false : null;
}

function known(span) {
    const metadata = isObject(span.metadata) ? span.metadata : {};
    const late = isObject(span.output_data) ? unwrapped(span.output_data.llm_tracer) : null;
    return isObject(late) ? { ...late, ...metadata } : metadata;
}

function finishReasons(value) {
    const reasons = unwrapped(value);
    if (Array.isArray(reasons)) return reasons.filter((reason) => typeof reason === "string");
    return typeof reasons === "string" && reasons !== "" ? [reasons] : [];
}

/** The figures of the contract's fields; of a span that does not count, those in its metadata. */
function figures(span, more) {
    return {
        tokens_input: numberOf(span.tokens_input) ?? numberOf(more.tokens_input),
        tokens_output: numberOf(span.tokens_output) ?? numberOf(more.tokens_output),
        cost_usd: numberOf(span.cost_usd) ?? numberOf(more.cost_usd),
    };
}

/** Whether a span's tokens and cost count in totals. */
export function counts(span) {
    return !isObject(span.metadata) || boolOf(span.metadata.counted) !== false;
}

/** Everything that is known beside names and content, typed; what is unknown is null. */
export function spanFacts(span) {
    const more = known(span);
    const facts = { counted: counts(span), ...figures(span, more) };
    for (const name of NUMBERS) facts[name] = numberOf(more[name]);
    for (const name of TEXTS) facts[name] = typeof more[name] === "string" ? more[name] : null;
    for (const name of OBJECTS) {
        const value = unwrapped(more[name]);
        facts[name] = isObject(value) ? value : null;
    }
    facts.stream = boolOf(more.stream);
    facts.partial = boolOf(more.partial) === true;
    facts.finish_reasons = finishReasons(more.finish_reasons);
    facts.model = span.model ?? facts.response_model ?? facts.request_model;
    return facts;
}

const TOLD = new Set([...NUMBERS, ...TEXTS, ...OBJECTS, "stream", "partial", "finish_reasons", "counted", "retry_after"]);

/** The members of a span's metadata that have no name of their own in spanFacts; null: none. */
export function ownMetadata(span) {
    if (!isObject(span.metadata)) return null;
    const own = Object.entries(span.metadata).filter(([name]) => !TOLD.has(name));
    return own.length > 0 ? Object.fromEntries(own) : null;
}

/** What a span is: 'running', 'error', 'partial' or 'ok'. */
export function spanStatus(span) {
    if (span.error) return "error";
    if (!span.end_time) return "running";
    return isObject(span.metadata) && boolOf(span.metadata.partial) === true ? "partial" : "ok";
}

/** Milliseconds between start and end, exact where both are known; null while it runs. */
export function durationOf(span) {
    const exact = timeOf(span.end_time) - timeOf(span.start_time);
    if (!Number.isNaN(exact)) return Math.max(0, exact);
    return span.end_time ? numberOf(span.duration_ms) : null;
}

/** Rates of a streamed answer, a second; null where they cannot be told. */
export function ratesOf(span, facts) {
    const duration = durationOf(span);
    if (duration === null) return { tokens: null, chunks: null };
    const first = facts.ttft_ms ?? facts.ttfc_ms ?? 0;
    const writing = duration - first;
    const seconds = (facts.stream && writing > 0 ? writing : duration) / 1000;
    return {
        tokens: facts.tokens_output > 0 && seconds > 0 ? facts.tokens_output / seconds : null,
        chunks: facts.chunk_count > 1 && facts.ttfc_ms !== null && duration > facts.ttfc_ms
            ? (facts.chunk_count - 1) / ((duration - facts.ttfc_ms) / 1000) : null,
    };
}

/** The calls that are attempts of the same request, in order, when there is more than one: those
 *  of one parent and path whose retry number goes on by one. */
export function retryChain(span, spans) {
    const own = spanFacts(span);
    const alike = spans.filter((other) => {
        if (other.parent_span_id !== span.parent_span_id || other.span_type !== span.span_type) {
            return false;
        }
        const facts = spanFacts(other);
        return facts.request_model === own.request_model && facts.url_path === own.url_path;
    }).sort((a, b) => timeOf(a.start_time) - timeOf(b.start_time));
    const holds = (list) => list.some((other) => other.span_id === span.span_id);
    let chain = [];
    for (const other of alike) {
        const retry = spanFacts(other).retry ?? 0;
        if (chain.length === 0 || retry !== chain.length) {
            if (holds(chain)) break;
            chain = retry === 0 ? [other] : [];
        } else {
            chain.push(other);
        }
    }
    return holds(chain) && chain.length > 1 ? chain : [];
}
