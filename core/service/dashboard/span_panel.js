// The panel of one span: what was said, what is known of it, and the record itself.

import {announce, copyButton, el, errorState, icon, replace, skeleton, statusBadge} from "./dom.js";
import {get, segment} from "./api.js";
import {cost, count, duration} from "./format.js";
import {showConversation} from "./conversation.js";
import {shown, textBlock} from "./conversation_text.js";
import {curlOf, hasCurl} from "./curl.js";
import {jsonView} from "./json_view.js";
import {detailsView} from "./span_details.js";
import {durationOf, ratesOf, spanFacts, spanStatus} from "./span_facts.js";

const TABS = [{id: "content", text: "Content"}, {id: "details", text: "Details"}, {id: "raw", text: "JSON"}];

function linkButton() {
    return copyButton("Copy link", () => location.href);
}

async function copyCurl(span) {
    const {text, notes} = curlOf(span);
    try {
        await navigator.clipboard.writeText(text);
        announce(["Copied: the request, made anew from what was captured; put the key into $API_KEY", ...notes].join("; "));
    } catch {
        announce("The browser did not allow to copy", "error");
    }
}

function curlButton(span) {
    if (!hasCurl(span)) return null;
    const title = "As a curl command that can be tried again, an approximation: made anew from what was captured";
    return el("button", {type: "button", class: "button small", title, onclick: () => copyCurl(span)},
              icon("copy"), "Copy as curl");
}

function figure(name, value) {
    return value === null ? null : el("div", {class: "trace-figure"}, el("dt", {}, name), el("dd", {}, value));
}

function figuresView(span, facts) {
    const rates = ratesOf(span, facts);
    const known = (value, format) => (value === null || value === undefined ? null : format(value));
    const tokens = facts.tokens_input === null && facts.tokens_output === null ? null
        : `${count(facts.tokens_input)} → ${count(facts.tokens_output)}`;
    return el("dl", {class: "trace-figures"}, figure("Duration", known(durationOf(span), duration)),
              figure("TTFT", known(facts.ttft_ms, duration)),
              figure("Tokens", tokens === null || facts.counted ? tokens : `(${tokens})`),
              figure("Cached", facts.tokens_cache_read > 0 ? count(facts.tokens_cache_read) : null),
              figure("Chunks", span.end_time ? null : known(facts.chunk_count, count)),
              figure("Rate", known(rates.tokens, (rate) => `${count(Math.round(rate))} tok/s`)),
              figure("Cost", known(facts.cost_usd, (usd) => (facts.counted ? cost(usd) : `(${cost(usd)})`))));
}

function errorView(span) {
    if (!span.error) return null;
    const type = spanFacts(span).error_type;
    return el("div", {class: "span-error"}, el("strong", {}, icon("error"), " Error", type ? ` · ${shown(type)}` : ""),
              textBlock(String(span.error), {first: 1500}));
}

function said(span) {
    return JSON.stringify([span.end_time, span.error, span.output_data, span.input_data === null]);
}

let chosenTab = "content"; // stays while one goes from span to span

export class SpanPanel {
    #onClose;
    #context; // gives {node, spans} of a span's id
    #span = null;
    #loading = null;

    constructor({onClose, context}) {
        this.#onClose = onClose;
        this.#context = context;
        this.body = el("div", {class: "span-body", tabindex: "0", role: "tabpanel", id: "span-body"});
        this.head = el("div", {class: "span-head"});
        this.element = el("section", {class: "span-panel", "aria-label": "Span"}, this.head, this.body);
    }

    get spanId() {
        return this.#span?.span_id ?? this.#loading?.id ?? null;
    }

    /** Reads the span and shows it; quiet: it is shown already and may have changed. */
    async load(id, {quiet = false} = {}) {
        this.#loading?.controller.abort();
        const loading = {id, controller: new AbortController()};
        this.#loading = loading;
        const known = this.#context(id).node?.span ?? null;
        if (!quiet) {
            this.#span = null;
            this.#showHead(known);
            replace(this.body, skeleton(5));
            this.body.scrollTop = 0;
        }
        try {
            const {span} = await get(`/api/spans/${segment(id)}`, {}, {signal: loading.controller.signal});
            if (this.#loading === loading) this.#show(span, quiet);
        } catch (error) {
            if (error.name === "AbortError" || this.#loading !== loading || (quiet && this.#span !== null)) return;
            replace(this.body, errorState(error, () => this.load(id)));
        }
    }

    // What has not changed stays as it is, with all that the reader opened in it.
    #show(span, quiet) {
        const {scrollTop} = this.body;
        const same = quiet && chosenTab !== "details" && this.#span !== null && said(this.#span) === said(span);
        this.#span = span;
        this.#showHead(span, quiet);
        if (same) return;
        this.#showTab(chosenTab);
        this.body.scrollTop = quiet ? scrollTop : 0;
    }

    #showHead(span, quiet = false) {
        const focused = quiet ? this.head.contains(document.activeElement) && document.activeElement.id : null;
        const close = el("button", {type: "button", class: "button quiet", "aria-label": "Close the span",
                                    title: "Close (esc)", onclick: () => this.#onClose()}, icon("close"));
        if (span === null) {
            replace(this.head, el("div", {class: "span-title"}, el("h2", {}, "Span"), close));
            return;
        }
        const facts = spanFacts(span);
        replace(this.head,
                el("div", {class: "span-title"}, el("span", {class: `kind kind-${span.span_type}`}, span.span_type),
                   el("h2", {class: "cut", title: shown(span.name)}, shown(span.name)), close),
                el("div", {class: "span-line"}, statusBadge(spanStatus(span)),
                   facts.model === null ? null : el("span", {class: "cut model"}, shown(facts.model)),
                   el("span", {class: "span-actions"}, curlButton(span), linkButton())),
                figuresView(span, facts), errorView(span), this.#tabs());
        if (focused) document.getElementById(focused)?.focus();
    }

    #tabs() {
        const buttons = TABS.map(({id, text}) => el("button", {
            type: "button", role: "tab", class: "tab", id: `tab-${id}`, "aria-controls": "span-body",
            "aria-selected": String(id === chosenTab), tabindex: id === chosenTab ? "0" : "-1",
            onclick: () => this.#choose(id)}, text));
        return el("div", {class: "tabs", role: "tablist", "aria-label": "Of this span", onkeydown: (event) => {
            const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
            if (step === undefined) return;
            event.preventDefault();
            const at = TABS.findIndex(({id}) => id === chosenTab);
            this.#choose(TABS[(at + step + TABS.length) % TABS.length].id);
        }}, buttons);
    }

    #choose(id) {
        chosenTab = id;
        for (const tab of this.head.querySelectorAll("[role=tab]")) {
            const chosen = tab.id === `tab-${id}`;
            tab.setAttribute("aria-selected", String(chosen));
            tab.tabIndex = chosen ? 0 : -1;
            if (chosen) tab.focus();
        }
        this.#showTab(id);
        this.body.scrollTop = 0;
    }

    #showTab(id) {
        this.body.setAttribute("aria-labelledby", `tab-${id}`);
        const span = this.#span;
        if (span === null) return;
        const {node, spans} = this.#context(span.span_id);
        if (id === "content") showConversation(this.body, span);
        else if (id === "details") replace(this.body, detailsView(span, node, spans));
        else this.#showRaw(span);
    }

    #showRaw(span) {
        replace(this.body, el("div", {class: "raw-head"}, copyButton("Copy JSON", () => JSON.stringify(span, null, 2))),
                jsonView(span, {open: 1}));
    }

    /** Stops what it reads. */
    clear() {
        this.#loading?.controller.abort();
        this.#loading = null;
        this.#span = null;
        replace(this.head);
        replace(this.body);
    }
}
