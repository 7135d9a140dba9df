// What was asked and answered in one trace of a session: out of its last call, or its first span
// where it has none. A few traces are read at once, and of each one span whole.

import {get, segment} from "./api.js";
import {answerOf, questionOf} from "./conversation_model.js";
import {counts, timeOf} from "./span_facts.js";

const SPANS_MAX = 3000; // of a trace that is looked through
const AT_ONCE = 3;

let reading = 0;
const waiting = [];

async function inTurn(run) {
    if (reading >= AT_ONCE) await new Promise((resolve) => waiting.push(resolve));
    reading++;
    try {
        return await run();
    } finally {
        reading--;
        waiting.shift()?.();
    }
}

/** The span that tells most: the call that began last, else the first root. */
export function telling(spans) {
    const calls = spans.filter((span) => span.span_type === "llm" && counts(span)); // not those around others
    const ended = calls.filter((span) => span.end_time && !span.error);
    const last = (list) => list.reduce((a, b) => (timeOf(b.start_time) >= timeOf(a.start_time) ? b : a));
    if (ended.length > 0) return last(ended);
    if (calls.length > 0) return last(calls);
    return spans.find((span) => !span.parent_span_id) ?? spans[0] ?? null;
}

/** {question, answer} as texts or null; {tooLarge: true} of a trace that is not looked through. */
export function sessionTurn(trace, signal) {
    if (trace.span_count > SPANS_MAX) return Promise.resolve({tooLarge: true});
    return inTurn(async () => {
        const {spans} = await get(`/api/traces/${segment(trace.trace_id)}`, {content: "false"}, {signal});
        const chosen = telling(spans);
        const output = typeof trace.output === "string" && trace.output !== "" ? trace.output : null;
        if (chosen === null) return {question: null, answer: output};
        const {span} = await get(`/api/spans/${segment(chosen.span_id)}`, {}, {signal});
        return {question: questionOf(span), answer: output ?? answerOf(span)};
    });
}
