// The tree of a trace's spans: who is under whom, how long each took by itself, and what it cost
// with everything under it. Pure; nothing recurses, so that depth has no limit, and every link is
// checked, so that parents in a circle end.

import {counts, numberOf, spanStatus, timeOf} from "./span_facts.js";

const CALLS = new Set(["llm", "embedding"]);

/** A number that may be unknown, plus another. */
function plus(a, b) {
    if (a === null) return b;
    return b === null ? a : a + b;
}

function newNode(span) {
    const start = timeOf(span.start_time);
    const end = timeOf(span.end_time);
    return {
        id: span.span_id, span, parent: null, children: [], depth: 0, size: 1, index: 0,
        position: 1, status: spanStatus(span), orphan: false, circle: false,
        start, end: Number.isNaN(end) ? null : Math.max(start, end),
        self: null, sum: null,
    };
}

function nodesById(spans) {
    const byId = new Map();
    for (const span of spans) {
        if (!byId.has(span.span_id)) byId.set(span.span_id, newNode(span));
    }
    return byId;
}

/** Of nodes whose parents lead in a circle, the one that began first becomes a root. */
function cutCircle(member) {
    let first = member;
    for (let node = member.parent; node !== member; node = node.parent) {
        if (node.start < first.start) first = node;
    }
    first.parent = null;
    first.circle = true;
}

function cutCircles(byId) {
    const done = new Set();
    for (const start of byId.values()) {
        const path = new Set();
        let node = start;
        while (node !== null && !done.has(node) && !path.has(node)) {
            path.add(node);
            node = node.parent;
        }
        if (node !== null && path.has(node)) cutCircle(node);
        for (const walked of path) done.add(walked);
    }
}

function link(byId) {
    for (const node of byId.values()) {
        const parentId = node.span.parent_span_id;
        if (!parentId) continue;
        node.parent = byId.get(parentId) ?? null;
        node.orphan = node.parent === null;
    }
    cutCircles(byId);
    const roots = [];
    for (const node of byId.values()) {
        (node.parent === null ? roots : node.parent.children).push(node);
    }
    return roots;
}

function byStart(a, b) {
    return (a.start - b.start) || (a.id < b.id ? -1 : Number(a.id > b.id));
}

/** All nodes in the order in which they are shown. */
function inOrder(roots) {
    const nodes = [];
    const stack = [];
    const push = (siblings) => {
        siblings.sort(byStart);
        for (let i = siblings.length - 1; i >= 0; i--) {
            siblings[i].position = i + 1;
            stack.push(siblings[i]);
        }
    };
    push(roots);
    while (stack.length > 0) {
        const node = stack.pop();
        node.index = nodes.length;
        node.depth = node.parent === null ? 0 : node.parent.depth + 1;
        nodes.push(node);
        push(node.children);
    }
    return nodes;
}

function ownSum(node) {
    const { span } = node;
    const counted = counts(span);
    const figure = (value) => (counted ? numberOf(value) : null);
    return {
        tokensInput: figure(span.tokens_input), tokensOutput: figure(span.tokens_output),
        cost: figure(span.cost_usd), calls: CALLS.has(span.span_type) ? 1 : 0,
        errors: span.error ? 1 : 0, running: span.end_time ? 0 : 1,
    };
}

function addSum(to, from) {
    to.tokensInput = plus(to.tokensInput, from.tokensInput);
    to.tokensOutput = plus(to.tokensOutput, from.tokensOutput);
    to.cost = plus(to.cost, from.cost);
    to.calls += from.calls;
    to.errors += from.errors;
    to.running += from.running;
}

/** Sums and sizes, from the leaves up; gives the sum of everything. */
function sumUp(nodes) {
    const total = ownSum({ span: { metadata: null, end_time: "-" } });
    for (const node of nodes) node.sum = ownSum(node);
    for (let i = nodes.length - 1; i >= 0; i--) {
        const node = nodes[i];
        addSum(node.parent === null ? total : node.parent.sum, node.sum);
        if (node.parent !== null) node.parent.size += node.size;
    }
    return total;
}

/** How long a span was at work while none of its children was; null while it runs. Children that
 *  lie outside (another machine's clock) count only where they overlap. */
function selfTime(node) {
    if (node.end === null || Number.isNaN(node.start)) return null;
    let covered = 0;
    let reached = node.start;
    for (const child of node.children) { // in order of their starts
        const from = Math.max(child.start, reached);
        const to = Math.min(child.end ?? node.end, node.end);
        if (to > from) {
            covered += to - from;
            reached = to;
        }
    }
    return Math.max(0, node.end - node.start - covered);
}

function extent(nodes) {
    let start = Infinity;
    let end = -Infinity;
    for (const node of nodes) {
        if (Number.isNaN(node.start)) continue;
        start = Math.min(start, node.start);
        end = Math.max(end, node.end ?? node.start);
    }
    return start === Infinity ? { start: 0, end: 0 } : { start, end };
}

/** {roots, nodes (as shown, all open), byId, total, start, end (ms; of what has ended)} */
export function buildTree(spans) {
    const byId = nodesById(spans);
    const roots = link(byId);
    const nodes = inOrder(roots);
    const total = sumUp(nodes);
    for (const node of nodes) node.self = selfTime(node);
    return { roots, nodes, byId, total, ...extent(nodes) };
}

/** The nodes that are shown when those in `closed` (ids) hide what is under them. */
export function visibleNodes(tree, closed) {
    if (closed.size === 0) return tree.nodes;
    const shown = [];
    for (let i = 0; i < tree.nodes.length;) {
        const node = tree.nodes[i];
        shown.push(node);
        i += closed.has(node.id) ? node.size : 1;
    }
    return shown;
}

/** The ids to close so that nothing deeper than `depth` shows (0: only the roots). */
export function closedBelow(tree, depth) {
    const closed = new Set();
    for (const node of tree.nodes) {
        if (node.depth >= depth && node.children.length > 0) closed.add(node.id);
    }
    return closed;
}

/** Opens what hides a node; `closed` is changed. */
export function reveal(node, closed) {
    for (let above = node.parent; above !== null; above = above.parent) closed.delete(above.id);
}

/** The nodes whose name, type, model, error or id has the text, in any case. */
export function findNodes(tree, text) {
    const wanted = text.trim().toLowerCase();
    if (wanted === "") return [];
    const has = (value) => typeof value === "string" && value.toLowerCase().includes(wanted);
    return tree.nodes.filter(({ span }) => has(span.name) || has(span.model) || has(span.error)
        || has(span.span_type) || has(span.span_id));
}
