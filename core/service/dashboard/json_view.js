// A value as a tree that opens piece by piece: what is closed is not built, long lists come in
// steps, long texts are cut.

import {append, el} from "./dom.js";
import {plural} from "./format.js";
import {shown, textBlock} from "./conversation_text.js";

const STEP = 100; // members at once
const LINE_MAX = 120; // characters of a text that stands in its line

function kindOf(value) {
    if (value === null || value === undefined) return "null";
    return Array.isArray(value) ? "array" : typeof value;
}

function leaf(value) {
    const kind = kindOf(value);
    const text = kind === "string" ? JSON.stringify(value) : String(value);
    return el("span", {class: `json-${kind}`, dir: "auto"}, shown(text));
}

function label(name) {
    return name === null ? null : [el("span", {class: "json-name"}, shown(String(name))), ": "];
}

// What a closed object says of itself.
function preview(value) {
    if (Array.isArray(value)) return `[${plural(value.length, "item")}]`;
    const names = Object.keys(value);
    const some = names.slice(0, 4).map((name) => name.slice(0, 24)).join(", ");
    return `{${shown(some)}${names.length > 4 ? ", …" : ""}}`;
}

function* entriesOf(value) {
    if (Array.isArray(value)) yield* value.entries();
    else for (const name of Object.keys(value)) yield [name, value[name]];
}

function addMembers(list, entries, depth) {
    for (let i = 0; i < STEP; i++) {
        const next = entries.next();
        if (next.done) return;
        append(list, el("div", {class: "json-member"}, node(next.value[0], next.value[1], depth)));
    }
    const more = el("button", {type: "button", class: "button small", onclick: () => {
        more.remove();
        addMembers(list, entries, depth);
    }}, `Show ${STEP} more`);
    append(list, more);
}

function branch(name, value, depth) {
    const list = el("div", {class: "json-members"});
    const build = () => {
        if (list.childNodes.length === 0) addMembers(list, entriesOf(value), depth - 1);
    };
    const details = el("details", {class: "json-branch", open: depth > 0, ontoggle: () => {
        if (details.open) build();
    }}, el("summary", {}, label(name), el("span", {class: "json-preview"}, preview(value))), list);
    if (depth > 0) build();
    return details;
}

function longText(name, value) {
    return el("div", {class: "json-long"}, label(name), textBlock(value, {first: 2048, mono: true}));
}

function node(name, value, depth) {
    const kind = kindOf(value);
    const nested = kind === "array" || kind === "object";
    if (nested && Object.keys(value).length > 0) return branch(name, value, depth);
    if (kind === "string" && (value.length > LINE_MAX || value.includes("\n"))) return longText(name, value);
    return el("div", {class: "json-leaf"}, label(name),
              nested ? (kind === "array" ? "[]" : "{}") : leaf(value));
}

/** open: how many levels are open at first. */
export function jsonView(value, {open = 1} = {}) {
    return el("div", {class: "json"}, node(null, value, open));
}
