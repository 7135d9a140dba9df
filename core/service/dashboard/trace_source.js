// A trace as the service tells it: read once, then again when an event says that it changed. What
// comes in bursts is read once a while, the longer the reading takes the less often.

import {follow, get, segment} from "./api.js";
import {buildTree} from "./trace_tree.js";

const PAUSE_MIN = 300; // ms between two readings

export class TraceSource {
    #id;
    #signal;
    #changed;
    #timer = 0;
    #reading = false;
    #again = false;
    #took = 0;
    #stamps = new Map(); // span_id: what it told last, to see what changed

    /** changed({trace, tree, spans, altered}); altered: ids of spans that are not as they were. */
    constructor(id, signal, changed) {
        this.#id = id;
        this.#signal = signal;
        this.#changed = changed;
        signal.addEventListener("abort", () => clearTimeout(this.#timer));
    }

    /** Reads the trace; throws what the service answered. */
    async read() {
        const before = performance.now();
        const answer = await get(`/api/traces/${segment(this.#id)}`, {content: "false"}, {signal: this.#signal});
        const spans = Array.isArray(answer.spans) ? answer.spans : [];
        const tree = buildTree(spans);
        this.#changed({trace: answer.trace, tree, spans, altered: this.#altered(spans)});
        this.#took = performance.now() - before;
    }

    #altered(spans) {
        const altered = new Set();
        for (const span of spans) {
            const stamp = `${span.end_time} ${span.error} ${span.metadata?.chunk_count} ${span.tokens_output}`;
            if (this.#stamps.get(span.span_id) !== stamp) altered.add(span.span_id);
            this.#stamps.set(span.span_id, stamp);
        }
        return altered;
    }

    /** Reads anew soon. */
    refresh() {
        if (this.#reading || this.#timer !== 0) {
            this.#again = this.#reading;
            return;
        }
        this.#timer = setTimeout(async () => {
            this.#timer = 0;
            this.#reading = true;
            try {
                await this.read();
            } catch {
                // What is shown stays; the next event tries again.
            }
            this.#reading = false;
            if (this.#again && !this.#signal.aborted) {
                this.#again = false;
                this.refresh();
            }
        }, Math.max(PAUSE_MIN, 3 * this.#took));
    }

    /** Follows the trace's events until the page is left. */
    follow(state) {
        return follow({traceId: this.#id, signal: this.#signal, state, back: () => this.refresh(),
                       each: () => this.refresh()});
    }
}
