// The head of a trace's page: what it is, how it went, whose it is, what came out.

import {copyButton, el, replace, statusBadge, timeElement} from "./dom.js";
import {compact, cost, count, cut, duration, wholeCost} from "./format.js";
import {href, pathOf} from "./router.js";
import {ago, fullTime, shortTime} from "./time.js";
import {fold} from "./conversation.js";
import {shown, textBlock} from "./conversation_text.js";
import {jsonView} from "./json_view.js";
import {isObject, numberOf} from "./span_facts.js";
import {filtersByTag} from "./traces_filters.js";

const TAGS_SHOWN = 12;

function figure(name, value, title = null) {
    return el("div", {class: "trace-figure", title}, el("dt", {}, name), el("dd", {}, value));
}

function tokensTitle(trace, total) {
    const cached = numberOf(trace.tokens_cache_read);
    return `${count(total.tokensInput)} in, ${count(total.tokensOutput)} out`
        + (cached > 0 ? `, ${count(cached)} of these cached` : "");
}

function figures(trace, tree) {
    const {total} = tree;
    const spent = total.cost ?? (trace.total_cost > 0 ? trace.total_cost : null);
    const known = total.tokensInput !== null || total.tokensOutput !== null;
    return el("dl", {class: "trace-figures"},
        el("div", {class: "trace-figure"}, el("dt", {}, "Duration"), el("dd", {class: "trace-duration"},
            duration(numberOf(trace.duration_ms) ?? (trace.end_time ? tree.end - tree.start : null)))),
        trace.ttft_ms === null || trace.ttft_ms === undefined ? null : figure("TTFT", duration(trace.ttft_ms)),
        figure("Calls", count(total.calls)), figure("Spans", count(tree.nodes.length)),
        known ? figure("Tokens", `${compact(total.tokensInput)} → ${compact(total.tokensOutput)}`,
                       tokensTitle(trace, total)) : null,
        figure("Cost", cost(spent), wholeCost(spent)),
        total.errors > 0 ? el("div", {class: "trace-figure status-error"}, el("dt", {}, "Errors"),
                              el("dd", {}, count(total.errors))) : null);
}

function belongsTo(name, value, link) {
    if (typeof value !== "string" || value === "") return null;
    return el("span", {class: "belongs"}, el("span", {class: "muted"}, `${name} `),
              el("a", {href: link, class: "cut", title: shown(value)}, shown(cut(value, 40))));
}

function tags(trace) {
    const all = Array.isArray(trace.tags) ? trace.tags.filter((tag) => typeof tag === "string") : [];
    return [all.slice(0, TAGS_SHOWN).map((tag) => filtersByTag(tag)
                ? el("a", {class: "tag", href: href("/traces", {tags: tag}), title: shown(tag)}, shown(cut(tag, 40)))
                : el("span", {class: "tag", title: shown(tag)}, shown(cut(tag, 40)))),
            all.length > TAGS_SHOWN ? el("span", {class: "muted", title: shown(all.slice(TAGS_SHOWN).join(", "))},
                                         `+${all.length - TAGS_SHOWN} tags`) : null];
}

function outputFold(trace) {
    if (typeof trace.output !== "string" || trace.output === "") return null;
    const line = trace.output.trimStart().split("\n", 1)[0];
    return fold([el("strong", {}, "Output"), " ", el("span", {class: "muted"}, shown(cut(line, 160)))],
                () => [textBlock(trace.output), copyButton("Copy", () => trace.output)], {class: "trace-output"});
}

function metadataFold(trace) {
    if (!isObject(trace.metadata) || Object.keys(trace.metadata).length === 0) return null;
    const names = Object.keys(trace.metadata);
    return fold([el("strong", {}, "Metadata"), " ", el("span", {class: "muted"}, shown(cut(names.join(", "), 120)))],
                () => jsonView(trace.metadata, {open: 1}));
}

function statusOf(trace, tree) {
    if (trace.status) return trace.status;
    if (!trace.end_time) return "running";
    return tree.total.errors > 0 ? "error" : "ok";
}

// Folds that the person opened stay open when the head is drawn anew.
function keepOpen(root, draw) {
    const open = [...root.querySelectorAll("details")].map((details) => details.open);
    draw();
    [...root.querySelectorAll(".trace-folds > details")].forEach((details, i) => {
        if (open[i]) details.open = true;
    });
}

/** Fills root with the trace's head. */
export function showHeader(root, trace, tree) {
    const name = trace.name || "(no name)";
    const error = typeof trace.error === "string" && trace.error !== "" ? trace.error : null;
    const folds = [outputFold(trace), metadataFold(trace)].filter((made) => made !== null);
    keepOpen(root, () => replace(root,
        el("div", {class: "trace-title"},
           el("a", {class: "back", href: "#/traces"}, "Traces"), el("span", {class: "muted", "aria-hidden": "true"}, "/"),
           el("h1", {class: "cut", title: shown(name)}, shown(cut(name, 200))),
           statusBadge(statusOf(trace, tree)),
           timeElement(trace.start_time, `${shortTime(trace.start_time)} · ${ago(trace.start_time)}`,
                       fullTime(trace.start_time)),
           el("span", {class: "trace-actions"}, copyButton("Copy id", () => trace.trace_id))),
        el("div", {class: "trace-line"}, figures(trace, tree),
           el("div", {class: "trace-whose"},
              belongsTo("User", trace.user_id, href("/traces", {user_id: trace.user_id})),
              belongsTo("Session", trace.session_id, href(pathOf("session", trace.session_id ?? ""))),
              tags(trace))),
        error === null || trace.status === "running" ? null
            : el("p", {class: "trace-error cut", title: shown(cut(error, 2000))}, shown(cut(error.split("\n", 1)[0], 300))),
        folds.length > 0 ? el("div", {class: "trace-folds"}, folds) : null));
}

