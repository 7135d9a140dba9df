// One session: its traces in order, each with what was asked and what was answered.

import {append, el, emptyState, errorState, perFrame, replace, skeleton, statusBadge, timeElement} from "./dom.js";
import {follow, pages} from "./api.js";
import {compact, cost, count, cut, duration, plural, UNKNOWN} from "./format.js";
import {href, pathOf} from "./router.js";
import {setLive, service} from "./shell.js";
import {ago, fullTime, shortTime} from "./time.js";
import {copyText, shown, textBlock} from "./conversation_text.js";
import {sessionTurn} from "./session_turn.js";

const PAGE = 50;

function figure(name, value, kind = "") {
    return el("div", {class: `trace-figure ${kind}`}, el("dt", {}, name), el("dd", {}, value));
}

function sum(traces, of) {
    return traces.reduce((all, trace) => (of(trace) === null ? all : (all ?? 0) + of(trace)), null);
}

function totals(traces, more) {
    const errors = sum(traces, (t) => t.errors ?? null) ?? 0;
    const tokens = [sum(traces, (t) => t.tokens_input ?? null), sum(traces, (t) => t.tokens_output ?? null)];
    const at = traces.map((t) => Date.parse(t.start_time));
    return el("dl", {class: "trace-figures"}, figure("Traces", count(traces.length) + (more ? "+" : "")),
              figure("Calls", count(sum(traces, (t) => t.calls ?? null))),
              figure("Tokens", tokens[0] === null && tokens[1] === null ? UNKNOWN : `${compact(tokens[0])} → ${compact(tokens[1])}`),
              figure("Cost", cost(sum(traces, (t) => (t.total_cost > 0 ? t.total_cost : null)))),
              errors > 0 ? figure("Errors", count(errors), "status-error") : null,
              traces.length < 2 ? null : figure("Over", duration(Math.max(...at) - Math.min(...at))));
}

function side(role, title, text) {
    if (text === null) return null;
    return el("div", {class: `turn-side role-${role}`},
              el("div", {class: "message-head"}, el("strong", {class: "role"}, title), copyText(text)), textBlock(text));
}

function said(trace, turn) {
    if (turn === null) return el("p", {class: "muted"}, "What was said could not be read.");
    if (turn.tooLarge) return el("p", {class: "muted"}, `${plural(trace.span_count, "span")}: open the trace to see them.`);
    const answer = side("assistant", "Assistant", turn.answer);
    const waiting = trace.status === "running" ? el("p", {class: "muted"}, "Running…") : null;
    const failed = trace.error ? el("div", {class: "span-error"}, textBlock(String(trace.error), {first: 1500})) : null;
    const parts = [side("user", "User", turn.question), answer ?? waiting, failed].filter((part) => part !== null);
    return parts.length > 0 ? parts : el("p", {class: "muted"}, "No content was kept.");
}

function card(trace) {
    const name = trace.name || "(no name)";
    const place = el("div", {class: "turn-said"}, el("p", {class: "muted"}, "…"));
    const tokens = trace.tokens_input === null && trace.tokens_output === null ? null
        : `${compact(trace.tokens_input)} → ${compact(trace.tokens_output)} tokens`;
    const facts = [duration(trace.duration_ms), tokens, trace.total_cost > 0 ? cost(trace.total_cost) : null]
        .filter((fact) => fact !== null && fact !== "–").join(" · ");
    const element = el("li", {class: "turn"},
        el("header", {class: "turn-head"},
           el("a", {class: "cut", href: href(pathOf("trace", trace.trace_id)), title: shown(name)}, shown(cut(name, 120))),
           statusBadge(trace.status), el("span", {class: "muted"}, facts),
           timeElement(trace.start_time, shortTime(trace.start_time), fullTime(trace.start_time))), place);
    return {element, place, trace, read: false};
}

class SessionPage {
    #cards = new Map(); // trace_id: card

    constructor(root, request) {
        Object.assign(this, {root, id: request.params.id, signal: request.signal});
        this.head = el("div", {class: "session-totals"});
        this.list = el("ol", {class: "turns"});
        this.more = el("div", {class: "turns-more"});
        this.pages = pages("/api/traces", {session_id: this.id, limit: PAGE, sort: "start_time", order: "asc"},
                           {signal: this.signal});
        this.observer = new IntersectionObserver((entries) => this.#seen(entries), {rootMargin: "400px"});
        this.#total = perFrame(() => this.#drawTotals());
        replace(root, el("header", {class: "page-head"}, el("a", {class: "muted", href: "#/sessions"}, "Sessions"),
                         el("span", {class: "muted", "aria-hidden": "true"}, "/"),
                         el("h1", {class: "cut", title: shown(this.id)}, shown(cut(this.id, 120)))),
                this.head, this.list, this.more);
    }

    #total;

    async start() {
        replace(this.more, skeleton(6));
        await this.#readPage();
        if (service().features?.includes("events") ?? true) {
            follow({signal: this.signal, state: setLive, each: (event, data) => this.#event(event, data)});
        }
    }

    async #readPage() {
        try {
            const answer = await this.pages.next();
            for (const trace of answer?.traces ?? []) this.#put(trace);
            this.#drawMore();
        } catch (error) {
            if (error.name === "AbortError") return;
            if (error.status === 422) this.#drawMore(); // what stands in the address can be no id
            else replace(this.more, errorState(error, () => this.#readPage()));
        }
    }

    #drawMore() {
        if (this.#cards.size === 0) {
            replace(this.more, emptyState("No such session", el("p", {}, "None of this project's traces has this session."),
                                          el("a", {class: "button", href: "#/sessions"}, "All sessions")));
        } else {
            replace(this.more, this.pages.ended ? null
                : el("button", {type: "button", class: "button", onclick: () => this.#readPage()}, `Show ${PAGE} more`));
        }
    }

    #put(trace) {
        const made = card(trace);
        const before = this.#cards.get(trace.trace_id);
        this.#cards.set(trace.trace_id, made);
        if (before === undefined) {
            append(this.list, made.element);
        } else {
            // What is shown stays until what is new was read.
            made.place.replaceChildren(...before.place.childNodes);
            this.observer.unobserve(before.element);
            before.element.replaceWith(made.element);
        }
        made.element.card = made;
        this.observer.observe(made.element);
        this.#total();
    }

    #drawTotals() {
        const traces = [...this.#cards.values()].map(({trace}) => trace);
        if (traces.length === 0) return;
        const users = [...new Set(traces.map((t) => t.user_id).filter((user) => typeof user === "string"))];
        replace(this.head, el("div", {class: "trace-line"}, totals(traces, !this.pages.ended),
            users.slice(0, 3).map((user) => el("span", {class: "belongs"}, el("span", {class: "muted"}, "User "),
                el("a", {class: "cut", href: href("/sessions", {user_id: user})}, shown(cut(user, 40))))),
            el("span", {class: "muted"}, `last ${ago(traces.at(-1).start_time)}`),
            el("a", {href: href("/traces", {session_id: this.id})}, "As a list of traces")));
    }

    #seen(entries) {
        for (const {isIntersecting, target} of entries) {
            if (!isIntersecting || target.card.read) continue;
            target.card.read = true;
            this.observer.unobserve(target);
            this.#fill(target.card);
        }
    }

    async #fill(made) {
        let turn = null;
        try {
            turn = await sessionTurn(made.trace, this.signal);
        } catch (error) {
            if (error.name === "AbortError") return;
        }
        replace(made.place, said(made.trace, turn));
    }

    #event(event, data) {
        if (event !== "trace" || data.session_id !== this.id) return;
        if (this.#cards.has(data.trace_id) || this.pages.ended) this.#put(data);
    }

    leave() {
        setLive(null);
        this.observer.disconnect();
    }
}

export const page = {
    title: () => "Session",
    async show(root, request) {
        const made = new SessionPage(root, request);
        await made.start();
        return {leave: () => made.leave(), update: (next) => next.params.id === made.id};
    },
};
