// One row of the tree: name, times, sums, bar.

import {el, icon} from "./dom.js";
import {compact, cost, cut, duration} from "./format.js";
import {shown} from "./conversation_text.js";
import {counts, durationOf, numberOf, spanFacts} from "./span_facts.js";
import {drawBar} from "./waterfall.js";

const DEEP = 12; // a level from which it is told in figures too

const STATUS = {error: "Error", running: "Running", partial: "Partial"};

function statusMark(status) {
    if (!(status in STATUS)) return null;
    return el("span", {class: `mark status-${status}`}, icon(status), el("span", {class: "mark-text"}, STATUS[status]));
}

function lostMark(node) {
    if (!node.orphan && !node.circle) return null;
    const text = node.circle ? "parents in a circle" : "parent missing";
    const title = node.circle ? "Its parents lead back to itself" : `Its parent ${node.span.parent_span_id} is not in this trace`;
    return el("span", {class: "mark lost", title: shown(title)}, text);
}

// Captured calls are named after the model that was asked.
function showsModel({name, model}) {
    if (typeof model !== "string" || model === "") return false;
    return !name.includes(model) && !model.startsWith(name.slice(name.lastIndexOf(" ") + 1));
}

function nameCell(node, {closed, matches}) {
    const {span} = node;
    const open = !closed.has(node.id);
    const toggle = node.children.length === 0 ? el("span", {class: "toggle"})
        : el("span", {class: open ? "toggle open" : "toggle", "aria-hidden": "true", dataset: {toggle: "1"}}, icon("right"));
    const name = shown(cut(span.name || "(no name)", 300));
    return el("div", {class: "tree-name", role: "gridcell", style: {"--depth": node.depth}},
              toggle, node.depth >= DEEP ? el("span", {class: "level", title: `Level ${node.depth + 1}`}, node.depth + 1) : null,
              el("span", {class: `kind kind-${span.span_type}`}, span.span_type),
              el("span", {class: matches.has(node.id) ? "name match" : "name", title: name}, name),
              showsModel(span) ? el("span", {class: "model"}, shown(cut(span.model, 80))) : null,
              open || node.size === 1 ? null : el("span", {class: "hidden-count"}, `+${compact(node.size - 1)}`),
              lostMark(node), statusMark(node.status));
}

// What a span says that does not count stands in brackets where nothing below it does.
function figureOf(node, sum, own, format) {
    if (sum !== null) return format(sum);
    const value = counts(node.span) ? null : own;
    return value === null ? "" : `(${format(value)})`;
}

function tokensCell(node) {
    const {sum} = node;
    const total = sum.tokensInput === null && sum.tokensOutput === null ? null
        : (sum.tokensInput ?? 0) + (sum.tokensOutput ?? 0);
    const facts = total === null ? spanFacts(node.span) : null;
    const own = facts === null ? null : numberOf((facts.tokens_input ?? 0) + (facts.tokens_output ?? 0));
    const title = total === null ? null : `${compact(sum.tokensInput ?? 0)} in, ${compact(sum.tokensOutput ?? 0)} out`;
    return el("div", {class: "tree-figure tree-tokens", role: "gridcell", title}, figureOf(node, total, own, compact));
}

// No longer than its column; what is less is told by the title.
function shortCost(usd) {
    return usd > 0 && usd < 0.00005 ? "<$0.0001" : cost(usd);
}

function costCell(node) {
    const own = spanFacts(node.span).cost_usd;
    return el("div", {class: "tree-figure tree-cost", role: "gridcell", title: node.sum.cost === null ? null : cost(node.sum.cost)},
              figureOf(node, node.sum.cost, own, shortCost));
}

export function durationText(node, now, start) {
    if (node.end !== null || node.span.end_time) return duration(durationOf(node.span));
    return Number.isNaN(node.start) ? "" : duration(Math.max(0, now - (node.start - start)));
}

/** state: {closed, matches, selected, active, view, start, now, position (row in the whole, from 0)} */
export function treeRow(node, state) {
    const time = el("div", {class: "tree-time", role: "gridcell"});
    drawBar(time, node, state);
    const row = el("div", {
        class: "tree-row" + (node.id === state.active ? " active" : "") + (node.status === "error" ? " failed" : ""),
        role: "row", id: `row-${state.position}`, dataset: {id: node.id, position: state.position},
        "aria-level": node.depth + 1, "aria-posinset": node.position,
        "aria-setsize": (node.parent === null ? state.roots : node.parent.children).length,
        "aria-rowindex": state.position + 2,
        "aria-expanded": node.children.length === 0 ? null : String(!state.closed.has(node.id)),
        "aria-selected": String(node.id === state.selected)},
        nameCell(node, state),
        el("div", {class: "tree-figure tree-duration", role: "gridcell"}, durationText(node, state.now, state.start)),
        el("div", {class: "tree-figure tree-self", role: "gridcell"},
           node.children.length === 0 || node.self === null ? "" : duration(node.self)),
        tokensCell(node), costCell(node), time);
    return row;
}
