// The rows of the list: pages by cursor, what arrives live, and what waits to be shown.
import {get} from "./api.js";
import {perFrame} from "./dom.js";
import {apiQuery, isFiltered, knowsAll, mayMatch} from "./traces_filters.js";

const FIRST_PAGE = 50;
const PAGE = 200;
const WAITING_MAX = 500; // more than that, and the list is read anew
// A page that is left open for days takes in new rows for days: the far end is dropped, and read
// again when somebody scrolls there.
const ROWS_MAX = 5000;
const ROWS_KEPT = 1000;

/** Outputs may be long, and the list shows none. */
function row(trace) {
    const {output, metadata, ...rest} = trace;
    return rest;
}

const startOf = (t) => t.start_time ?? "";

export class TraceList {
    /** changed(list) after each change of rows; updated(trace) of a row alone */
    constructor(state, signal, {changed, updated, atTop}) {
        Object.assign(this, {state, signal, changed, updated, atTop});
        this.rows = [];
        this.byId = new Map();
        this.waiting = new Map(); // new ones that are not shown yet
        this.overflow = false;
        this.cursor = null;
        this.until = null; // where rows were dropped, reading goes on before this time
        this.ended = false;
        this.loading = false;
        this.reading = null; // the promise of the page that is read, or was read last
        this.error = null;
        this.fresh = [];
        this.paused = false;
        this.events = [];
        this.flush = perFrame(() => this.takeEvents());
        this.looking = false;
    }

    get byTime() {
        return this.state.sort === "start_time" && this.state.order === "desc";
    }

    /** Reads the next page, unless one is being read. */
    more() {
        if (this.loading || this.ended || this.error) return this.reading;
        this.loading = true;
        this.reading = this.readPage();
        this.changed(this);
        return this.reading;
    }

    async readPage() {
        const query = {...apiQuery(this.state), cursor: this.cursor};
        query.limit = this.rows.length > 0 ? PAGE : FIRST_PAGE;
        query.to = this.until ?? query.to;
        try {
            const answer = await get("/api/traces", query, {signal: this.signal});
            for (const t of answer.traces) this.add(row(t));
            this.cursor = answer.next_cursor;
            this.ended = !answer.has_more || !answer.next_cursor;
        } catch (error) {
            if (error.name === "AbortError") return;
            this.error = error;
        } finally {
            this.loading = false;
        }
        this.changed(this);
    }

    retry() {
        this.error = null;
        return this.more();
    }

    add(trace) {
        if (this.byId.has(trace.trace_id)) {
            this.update(trace);
            return;
        }
        this.waiting.delete(trace.trace_id);
        this.byId.set(trace.trace_id, this.rows.length);
        this.rows.push(trace);
    }

    /** Rows move when new ones come in above: the index is looked for from where it was. */
    find(id) {
        const hint = this.byId.get(id);
        if (hint === undefined) return -1;
        if (this.rows[hint]?.trace_id === id) return hint;
        const at = this.rows.findIndex((t) => t.trace_id === id);
        this.byId.set(id, at);
        return at;
    }

    update(trace) {
        const at = this.find(trace.trace_id);
        if (at < 0) return;
        this.rows[at] = {...this.rows[at], ...trace};
        this.updated(this.rows[at]);
    }

    /** A trace that came or changed, as /api/events tells it. */
    tell(trace) {
        if (!trace?.trace_id) return;
        this.events.push(row(trace));
        this.flush();
    }

    takeEvents() {
        const events = this.events.splice(0);
        let look = false;
        for (const trace of events) {
            if (this.byId.has(trace.trace_id)) this.update(trace);
            else if (this.waiting.has(trace.trace_id))
                this.waiting.set(trace.trace_id, {...this.waiting.get(trace.trace_id), ...trace});
            else if (this.byTime && mayMatch(this.state, trace)) {
                if (!isFiltered(this.state) || knowsAll(this.state)) this.arrive(trace);
                else look = true;
            }
        }
        if (look) this.lookAgain();
        this.showWaiting();
    }

    arrive(trace) {
        // What is older than the last row that was read comes with its page.
        const last = this.rows.at(-1);
        if (!this.ended && last && startOf(trace) < startOf(last)) return;
        if (this.waiting.size >= WAITING_MAX) this.overflow = true;
        else this.waiting.set(trace.trace_id, trace);
    }

    /** At most every 400 ms, also while events never pause. */
    lookAgain() {
        if (this.looking) return;
        this.looking = true;
        setTimeout(() => {
            this.looking = false;
            this.readHead();
        }, 400);
    }

    /** Reads the newest page again: events were missed, or the filter is the service's. */
    async readHead() {
        await this.reading;
        if (!this.byTime || this.signal.aborted || this.error) return;
        try {
            const answer = await get(
                "/api/traces",
                {...apiQuery(this.state), limit: FIRST_PAGE},
                {signal: this.signal},
            );
            const traces = answer.traces.map(row);
            const known = traces.some((t) => this.byId.has(t.trace_id));
            for (const t of traces)
                if (this.byId.has(t.trace_id)) this.update(t);
                else this.waiting.set(t.trace_id, t);
            if (!known && answer.has_more && this.rows.length > 0) this.overflow = true;
            this.showWaiting();
        } catch (error) {
            if (error.name !== "AbortError" && error.status !== 0) this.error = error;
        }
    }

    showWaiting() {
        if (this.waiting.size > 0 && !this.overflow && !this.paused && this.atTop())
            this.takeWaiting();
        else this.changed(this);
    }

    dropFarEnd() {
        if (!this.byTime || this.loading || this.rows.length <= ROWS_MAX) return;
        for (const {trace_id} of this.rows.splice(ROWS_KEPT)) this.byId.delete(trace_id);
        this.cursor = null;
        this.ended = false;
        // The millisecond of the last row is read again; what is there already is not added.
        this.until = new Date(Date.parse(this.rows.at(-1).start_time) + 1).toISOString();
    }

    /** Puts what waits into the rows by its time. true: it was too much, read the list anew. */
    takeWaiting() {
        if (this.overflow) return true;
        const added = [...this.waiting.values()].sort((a, b) => (startOf(a) < startOf(b) ? 1 : -1));
        this.waiting.clear();
        this.fresh = added.map((t) => t.trace_id);
        let at = 0;
        for (const trace of added) {
            while (at < this.rows.length && startOf(this.rows[at]) > startOf(trace)) at++;
            this.rows.splice(at, 0, trace);
            this.byId.set(trace.trace_id, at);
        }
        this.dropFarEnd();
        this.changed(this);
        return false;
    }
}
