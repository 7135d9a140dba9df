// Text out of traced programs, as it is shown: signs that turn, hide or ring are told by name, and
// what is long comes in steps. shown, cutAt and steps are pure.

import {append, copyButton, el} from "./dom.js";
import {bytes, cut} from "./format.js";

const FIRST_STEP = 4096; // characters
const STEP_GROWTH = 8;
const LARGEST_STEP = 262144;

// Controls, marks of direction, signs without width (but for joiners, which emoji and scripts
// need), halves of pairs.
// eslint-disable-next-line no-control-regex
const UNSEEN = /\r\n|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function told(sign) {
    const code = sign.charCodeAt(0);
    if (sign === "\r\n") return "\n";
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    if (code >= 0xd800 && code <= 0xdfff) return "\ufffd";
    return `⟦U+${code.toString(16).toUpperCase().padStart(4, "0")}⟧`;
}

/** The text with what cannot be seen made visible. */
export function shown(text) {
    return String(text).replace(UNSEEN, told);
}

/** A text as a line of at most n characters (before what cannot be seen is told). */
export function shortened(text, n) {
    return shown(cut(text, n));
}

/** Where to cut a text before `most`: behind a line if one ends in the last half, else between
 *  characters. */
export function cutAt(text, most) {
    if (text.length <= most) return text.length;
    const line = text.lastIndexOf("\n", most - 1) + 1;
    if (line > most / 2) return line;
    const code = text.charCodeAt(most - 1);
    return code >= 0xd800 && code <= 0xdbff ? most - 1 : most;
}

/** A text in pieces, each up to eight times as long as the one before. */
export function steps(text, first = FIRST_STEP) {
    const pieces = [];
    for (let at = 0, most = first; at < text.length; most = Math.min(most * STEP_GROWTH, LARGEST_STEP)) {
        const end = at + cutAt(text.slice(at, at + most + 1), most);
        pieces.push(text.slice(at, end));
        at = end;
    }
    return pieces.length > 0 ? pieces : [""];
}

function piece(text) {
    return el("span", {class: "said-piece"}, shown(text));
}

/** A block of text; what is longer than some KB is shown step by step. */
export function textBlock(text, {first = FIRST_STEP, mono = false} = {}) {
    const [head, ...rest] = steps(text, first);
    const body = el("div", {class: mono ? "said said-mono" : "said", dir: "auto"}, piece(head));
    if (rest.length === 0) return body;
    let left = text.length - head.length;
    const label = () => `Show more (${bytes(left)} left)`;
    const more = el("button", {type: "button", class: "button small said-more", onclick: () => {
        const next = rest.shift();
        left -= next.length;
        append(body, piece(next));
        if (rest.length === 0) more.remove();
        else more.textContent = label();
    }}, label());
    return el("div", {class: "said-long"}, body, more);
}

/** The button that copies a text as it came. */
export function copyText(text, label = "Copy") {
    return copyButton(label, () => text);
}
