// The tree of spans and the waterfall as one grid on one time axis. Only the rows in view are in
// the document, so that ten thousand spans cost what fifty do. The grid keeps the focus; the row
// that keys act on is its active descendant.

import {el, perFrame} from "./dom.js";
import {TimeAxis, drawBar} from "./waterfall.js";
import {durationText, treeRow} from "./tree_row.js";
import {closedBelow, findNodes, reveal, visibleNodes} from "./trace_tree.js";
import {axisEnd} from "./waterfall_scale.js";

const OVERSCAN = 8; // rows
const SHIFT_FROM = 4; // levels of indent that stay
const TICK_MS = 200; // between two growths of running bars

const HEADS = [["tree-name", "Span"], ["tree-figure tree-duration", "Time"], ["tree-figure tree-self", "Self"],
               ["tree-figure tree-tokens", "Tokens"], ["tree-figure tree-cost", "Cost"]];

export class SpanTree {
    #on;
    #tree = null;
    #shown = [];
    #closed = new Set();
    #matches = new Set();
    #rows = new Map(); // position: element
    #active = null; // a node's id
    #selected = null;
    #now = 0;
    #timer = 0;

    /** on: {open(id, {focus}), active(id), changed()}: a span is chosen, keys moved to it, rows came or went;
     *  grown(ms): the trace runs and is that long by now. */
    constructor(on) {
        this.#on = on;
        this.axis = new TimeAxis(() => this.#redraw());
        this.body = el("div", {class: "tree-body", role: "rowgroup"});
        const heads = HEADS.map(([name, text]) => el("div", {class: name, role: "columnheader"}, text));
        const time = el("div", {class: "tree-time", role: "columnheader", "aria-label": "When"}, this.axis.element);
        this.element = el("div", {class: "tree", role: "treegrid", tabindex: "0", "aria-label": "Spans of the trace"},
                          el("div", {class: "tree-head", role: "rowgroup"},
                             el("div", {class: "tree-heads", role: "row", "aria-rowindex": 1}, heads, time)),
                          this.body);
        this.#render = perFrame(() => this.#draw());
        this.element.addEventListener("scroll", () => this.#render(), {passive: true});
        this.element.addEventListener("wheel", (event) => this.axis.onWheel(event), {passive: false});
        this.element.addEventListener("keydown", (event) => this.#onKey(event));
        this.body.addEventListener("click", (event) => this.#onClick(event));
        this.observer = new ResizeObserver(() => this.#redraw());
        this.observer.observe(this.element);
    }

    #render;

    /** Shows a tree, at first or anew with what has come since. */
    setTree(tree) {
        this.#tree = tree;
        if (this.#active === null || !tree.byId.has(this.#active)) this.#active = tree.nodes[0]?.id ?? null;
        this.#grow();
        this.#layOut();
        clearInterval(this.#timer);
        if (tree.total.running > 0) this.#timer = setInterval(() => this.#tick(), TICK_MS);
    }

    leave() {
        clearInterval(this.#timer);
        this.observer.disconnect();
    }

    /** Whether rows are hidden under closed ones. */
    get hides() {
        return this.#closed.size > 0;
    }

    get active() {
        return this.#active;
    }

    // ---- time

    #grow() {
        this.#now = axisEnd(this.#tree, Date.now());
        this.axis.setLength(this.#now);
    }

    #tick() {
        if (document.hidden) return;
        this.#grow();
        this.#on.grown?.(this.#now);
        if (this.axis.fitted) {
            this.#drawAxis();
            for (const [position, row] of this.#rows) this.#growRow(row, this.#shown[position]);
            return;
        }
        for (const [position, row] of this.#rows) {
            if (this.#shown[position].end === null) this.#growRow(row, this.#shown[position]);
        }
    }

    #growRow(row, node) {
        drawBar(row.lastElementChild, node, {view: this.axis.view, start: this.#tree.start, now: this.#now});
        if (node.end !== null) return;
        row.querySelector(".tree-duration").textContent = durationText(node, this.#now, this.#tree.start);
    }

    #drawAxis() {
        const lines = this.axis.draw(this.axis.element.clientWidth);
        this.element.style.setProperty("--first", lines.first);
        this.element.style.setProperty("--step", lines.step);
    }

    // ---- rows

    get #rowHeight() {
        return parseFloat(getComputedStyle(this.element).getPropertyValue("--tree-row")) || 30;
    }

    #layOut() {
        this.#shown = visibleNodes(this.#tree, this.#closed);
        this.element.setAttribute("aria-rowcount", String(this.#shown.length + 1));
        this.body.style.height = `${this.#shown.length * this.#rowHeight}px`;
        this.#redraw();
        this.#on.changed?.();
    }

    #redraw() {
        if (this.#tree === null) return;
        this.body.style.height = `${this.#shown.length * this.#rowHeight}px`;
        this.#drawAxis();
        this.#clear();
        this.#draw();
    }

    #clear() {
        for (const row of this.#rows.values()) row.remove();
        this.#rows.clear();
    }

    #range() {
        const height = this.#rowHeight;
        const first = Math.floor(this.element.scrollTop / height);
        const count = Math.ceil(this.element.clientHeight / height);
        return {from: Math.max(0, first - OVERSCAN), to: Math.min(this.#shown.length, first + count + OVERSCAN)};
    }

    #draw() {
        const {from, to} = this.#range();
        for (const [position, row] of this.#rows) {
            if (position >= from && position < to) continue;
            row.remove();
            this.#rows.delete(position);
        }
        for (let position = from; position < to; position++) {
            if (this.#rows.has(position)) continue;
            const row = treeRow(this.#shown[position], this.#state(position));
            row.style.top = `${position * this.#rowHeight}px`;
            this.#rows.set(position, row);
            this.body.append(row);
        }
        this.#shiftIndents();
        this.#pointAtActive();
    }

    // Where all rows in view are deep, their indents start at the least deep one.
    #shiftIndents() {
        const first = Math.floor(this.element.scrollTop / this.#rowHeight);
        const count = Math.ceil(this.element.clientHeight / this.#rowHeight);
        let least = Infinity;
        for (const node of this.#shown.slice(first, first + count)) least = Math.min(least, node.depth);
        this.element.style.setProperty("--base", least > SHIFT_FROM && least < Infinity ? least - SHIFT_FROM : 0);
    }

    #state(position) {
        return {closed: this.#closed, matches: this.#matches, selected: this.#selected, active: this.#active,
                view: this.axis.view, start: this.#tree.start, now: this.#now, roots: this.#tree.roots, position};
    }

    #pointAtActive() {
        const position = this.#positionOf(this.#active);
        if (this.#rows.has(position)) this.element.setAttribute("aria-activedescendant", `row-${position}`);
        else this.element.removeAttribute("aria-activedescendant");
    }

    #positionOf(id) {
        return this.#shown.findIndex((node) => node.id === id);
    }

    #scrollTo(position) {
        const height = this.#rowHeight;
        const head = this.element.firstElementChild.offsetHeight;
        const room = this.element.clientHeight - head;
        const top = position * height;
        if (top < this.element.scrollTop) this.element.scrollTop = top;
        else if (top + height > this.element.scrollTop + room) this.element.scrollTop = top + height - room;
    }

    // ---- what is chosen

    #activate(position) {
        if (position < 0 || position >= this.#shown.length) return;
        this.#active = this.#shown[position].id;
        this.#scrollTo(position);
        this.#clear();
        this.#draw();
        this.#on.active?.(this.#active);
    }

    /** Marks a span as the one that the panel shows; its row comes into view. null: none. */
    select(id, {scroll = true} = {}) {
        this.#selected = id;
        const node = id === null ? undefined : this.#tree?.byId.get(id);
        if (node !== undefined) {
            this.#active = id;
            reveal(node, this.#closed);
            this.#layOut();
            if (scroll) this.#scrollTo(this.#positionOf(id));
        } else {
            this.#clear();
        }
        if (this.#tree !== null) this.#draw();
    }

    /** Opens everything, or closes what is deeper than a level (0: all but the roots). */
    closeBelow(depth) {
        this.#closed = depth === Infinity ? new Set() : closedBelow(this.#tree, depth);
        let node = this.#tree.byId.get(this.#active) ?? null;
        for (let above = node; above !== null; above = above.parent) if (this.#closed.has(above.id)) node = above;
        this.#active = node?.id ?? null;
        this.#layOut();
    }

    /** Marks what has the text; gives the nodes. */
    find(text) {
        const found = this.#tree === null ? [] : findNodes(this.#tree, text);
        this.#matches = new Set(found.map((node) => node.id));
        this.#clear();
        if (this.#tree !== null) this.#draw();
        return found;
    }

    /** Goes to a node, whatever hides it. */
    goTo(node) {
        reveal(node, this.#closed);
        this.#layOut();
        this.#activate(this.#positionOf(node.id));
    }

    #toggle(node, open = this.#closed.has(node.id)) {
        if (node.children.length === 0) return;
        if (open) this.#closed.delete(node.id);
        else this.#closed.add(node.id);
        this.#layOut();
    }

    #onClick(event) {
        const row = event.target.closest(".tree-row");
        const node = row === null ? undefined : this.#shown[Number(row.dataset.position)];
        if (node === undefined) return;
        this.#active = node.id;
        if (event.target.closest("[data-toggle]") !== null) this.#toggle(node);
        else if (event.detail === 2 && event.target.closest(".tree-time") !== null) this.#showTimeOf(node);
        else this.#on.open(node.id);
    }

    // Pressed twice: its time fills the axis. (No dblclick comes: the first press draws the row anew.)
    #showTimeOf(node) {
        this.axis.show(node.start - this.#tree.start, node.end === null ? this.#now : node.end - this.#tree.start);
    }

    // ---- keys, as the ARIA practices' tree grid has them

    #closeOrParent(node, position) {
        if (node.children.length > 0 && !this.#closed.has(node.id)) this.#toggle(node, false);
        else if (node.parent !== null) this.#activate(this.#positionOf(node.parent.id));
        return position;
    }

    #openOrChild(node, position) {
        if (this.#closed.has(node.id)) this.#toggle(node, true);
        else if (node.children.length > 0) this.#activate(position + 1);
    }

    #openSiblings(node) {
        for (const sibling of node.parent === null ? this.#tree.roots : node.parent.children) {
            this.#closed.delete(sibling.id);
        }
        this.#layOut();
    }

    #onKey(event) {
        if (event.ctrlKey || event.metaKey || event.altKey || this.#tree === null) return;
        const position = this.#positionOf(this.#active);
        const node = this.#shown[position];
        if (node === undefined) return;
        const page = Math.max(1, Math.floor(this.element.clientHeight / this.#rowHeight) - 2);
        const moves = {
            ArrowDown: () => this.#activate(Math.min(position + 1, this.#shown.length - 1)),
            ArrowUp: () => this.#activate(Math.max(position - 1, 0)),
            PageDown: () => this.#activate(Math.min(position + page, this.#shown.length - 1)),
            PageUp: () => this.#activate(Math.max(position - page, 0)),
            Home: () => this.#activate(0),
            End: () => this.#activate(this.#shown.length - 1),
            ArrowRight: () => this.#openOrChild(node, position),
            ArrowLeft: () => this.#closeOrParent(node, position),
            Enter: () => this.#on.open(node.id, {focus: true}),
            " ": () => this.#on.open(node.id),
            "*": () => this.#openSiblings(node),
        };
        if (!Object.hasOwn(moves, event.key)) return;
        event.preventDefault();
        moves[event.key]();
    }
}
