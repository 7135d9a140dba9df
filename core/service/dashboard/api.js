// The service's HTTP interface. The key goes into a header, never into a URL.
import {currentKey, keyRefused} from "./key.js";

// Works behind a path prefix too: this file lies at PREFIX/dashboard/api.js.
const BASE = new URL("../", import.meta.url);

export class ApiError extends Error {
    constructor(status, message, title) {
        super(message);
        this.status = status;
        this.title = title;
    }
}

function detailText(detail) {
    if (typeof detail === "string") return detail;
    if (Array.isArray(detail))
        return detail.map((d) => `${(d.loc ?? []).slice(1).join(".")}: ${d.msg ?? ""}`).join("; ");
    return "";
}

const TITLES = {
    401: "A key is needed",
    403: "Not allowed",
    404: "Not found",
    422: "The service did not understand that",
    429: "Too many requests",
    503: "The service is busy",
    507: "The service's disk is full",
};

async function failure(response) {
    let detail = "";
    try {
        detail = detailText((await response.json()).detail);
    } catch {
        // Something between us and the service answered; its text is of no use.
    }
    return new ApiError(
        response.status,
        detail || `The service answered ${response.status}.`,
        TITLES[response.status] ?? "The service failed",
    );
}

function urlOf(path, query) {
    const url = new URL(path.replace(/^\//, ""), BASE);
    for (const [name, value] of Object.entries(query ?? {}))
        if (value !== null && value !== undefined && value !== "")
            url.searchParams.set(name, value);
    return url;
}

async function send(path, query, options) {
    // The service takes no NUL anywhere, and refuses it as it does a key that is none.
    if (path.includes("%00") || Object.values(query ?? {}).some((v) => String(v).includes("\0")))
        throw new ApiError(422, "There is no NUL character in any id or text.", TITLES[422]);
    const key = currentKey();
    const headers = {Accept: options.accept ?? "application/json"};
    if (key) headers["X-API-Key"] = key;
    let response;
    try {
        response = await fetch(urlOf(path, query), {
            headers,
            signal: options.signal,
            cache: "no-store",
            credentials: "omit",
            redirect: "error",
        });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new ApiError(0, "The service cannot be reached. Is it running?", "No connection");
    }
    if (response.ok) return response;
    const error = await failure(response);
    const ofKey = error.status === 401 || (error.status === 400 && key !== null);
    if (ofKey && key === currentKey()) keyRefused(error.message); // else it was the one before
    throw error;
}

/** GET, as JSON: get("/api/traces", {limit: 50}, {signal}). Throws ApiError, or AbortError. */
export async function get(path, query = {}, {signal} = {}) {
    const response = await send(path, query, {signal});
    return response.json();
}

/** An id as one segment of a path. */
export function segment(id) {
    return encodeURIComponent(id);
}

/** Pages of a list by cursor: next() gives the next page's answer, or null behind the last one. */
export function pages(path, query, {signal} = {}) {
    let cursor = null;
    let ended = false;
    return {
        get ended() {
            return ended;
        },
        async next() {
            if (ended) return null;
            const answer = await get(path, {...query, cursor}, {signal});
            cursor = answer.next_cursor;
            ended = !answer.has_more || !cursor;
            return answer;
        },
    };
}

/** Splits a text/event-stream; feed() takes pieces of it and calls each(event, data). */
export function eventParser(each) {
    let rest = "";
    let event = "message";
    let data = [];
    const line = (text) => {
        if (text === "") {
            if (data.length) each(event, data.join("\n"));
            event = "message";
            data = [];
        } else if (text.startsWith("event:")) event = text.slice(6).trim();
        else if (text.startsWith("data:")) data.push(text.slice(5).replace(/^ /, ""));
    };
    return {
        feed(piece) {
            rest += piece;
            const lines = rest.split(/\r\n|\n|\r(?!$)/);
            rest = lines.pop();
            lines.forEach(line);
        },
    };
}

async function readEvents(query, each, opened, signal) {
    const response = await send("/api/events", query, {signal, accept: "text/event-stream"});
    opened();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = eventParser((event, data) => {
        try {
            each(event, JSON.parse(data));
        } catch (error) {
            if (!(error instanceof SyntaxError)) throw error;
        }
    });
    for (;;) {
        const {done, value} = await reader.read();
        if (done) return;
        parser.feed(value);
    }
}

function pause(ms, signal) {
    return new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        signal.addEventListener(
            "abort",
            () => {
                clearTimeout(timer);
                resolve();
            },
            {once: true},
        );
    });
}

/**
 * Follows /api/events until signal aborts, and connects again with growing pauses. traceId: only
 * that trace. each(event, data); state("connecting" | "live" | "off"); opened(): it hears from now
 * on, what was read before may be old; back(): it hears again, what came meanwhile was missed.
 */
export async function follow({
    each,
    state = () => {},
    opened = () => {},
    back = () => {},
    traceId = null,
    signal,
}) {
    let wait = 500;
    let failed = false;
    while (!signal.aborted) {
        state("connecting");
        try {
            await readEvents(
                {trace_id: traceId},
                each,
                () => {
                    wait = 500;
                    state("live");
                    opened();
                    if (failed) back();
                },
                signal,
            );
        } catch (error) {
            if (signal.aborted) return;
            // 401: the key form is open, and the page starts again with the key; the others: there
            // are no events.
            if ([401, 403, 404, 501].includes(error.status)) {
                state("off");
                return;
            }
        }
        failed = true;
        if (signal.aborted) return;
        state("off");
        await pause(wait * (0.75 + Math.random() / 2), signal);
        wait = Math.min(wait * 2, 15000);
    }
}
