// The time side of the tree: the axis with its ticks, zoom by wheel, drag, keys and buttons, and
// one bar a span.

import {el, replace} from "./dom.js";
import {duration} from "./format.js";
import {numberOf} from "./span_facts.js";
import {barOf, clampView, fitView, panView, placeOf, tickLabel, ticksOf, zoomView} from "./waterfall_scale.js";

const percent = (share) => `${(share * 100).toFixed(4)}%`;
const TICK_WIDTH = 54; // px, at least
const SIGN_WIDTH = 6.5; // px of a character of a label

/** Fills a row's time cell. now: ms since the trace's start, where running bars end. */
export function drawBar(cell, node, {view, start, now}) {
    const from = node.start - start;
    const running = node.status === "running";
    const to = node.end === null ? Math.max(now, from) : node.end - start;
    const bar = barOf(view, from, to);
    if (bar === null) {
        replace(cell, Number.isNaN(from) ? null : el("span", {class: from < view.from ? "beyond" : "beyond beyond-right",
                                                              "aria-hidden": "true"}, from < view.from ? "‹" : "›"));
        return;
    }
    const shape = el("div", {class: `span-bar kind-${node.span.span_type}${running ? " bar-running" : ""}`
        + `${node.status === "error" ? " bar-failed" : ""}${node.status === "partial" ? " bar-partial" : ""}`,
                             style: {left: percent(bar.left), width: percent(bar.width)}});
    const first = numberOf(node.span.metadata?.ttft_ms);
    const at = first === null ? NaN : placeOf(view, from + first);
    replace(cell, shape, at >= 0 && at <= 1 && first > 0 && from + first <= to
        ? el("div", {class: "ttft", title: `First content after ${duration(first)}`, style: {left: percent(at)}}) : null);
}

/** The axis over the bars, and what of the trace it shows. */
export class TimeAxis {
    #length = 1;
    #fitted = true;
    #changed;

    constructor(changed) {
        this.#changed = changed;
        this.view = fitView(1);
        this.ticks = el("div", {class: "ticks", "aria-hidden": "true"});
        this.drag = el("div", {class: "axis-drag", hidden: true});
        this.element = el("div", {class: "axis", title: "Drag to zoom in, double click to see everything"},
                          this.ticks, this.drag);
        this.element.addEventListener("pointerdown", (event) => this.#startDrag(event));
        this.element.addEventListener("dblclick", () => this.fit());
    }

    /** How long the trace is by now. What fits stays fitted. */
    setLength(length) {
        this.#length = length;
        this.view = this.#fitted ? fitView(length) : clampView(this.view, length);
    }

    get fitted() {
        return this.#fitted;
    }

    fit() {
        this.#fitted = true;
        this.view = fitView(this.#length);
        this.#changed();
    }

    #set(view) {
        this.view = view;
        const whole = fitView(this.#length);
        this.#fitted = view.from <= 0 && view.to >= whole.to * 0.9999;
        this.#changed();
    }

    zoom(factor, about = 0.5) {
        this.#set(zoomView(this.view, factor, about, this.#length));
    }

    pan(share) {
        this.#set(panView(this.view, share, this.#length));
    }

    /** Shows a span's time with some room beside it. */
    show(from, to) {
        const room = Math.max((to - from) * 0.1, 0.01);
        this.#set(clampView({from: from - room, to: to + room}, this.#length));
    }

    /** With ctrl the wheel zooms about the pointer, sideways it moves. */
    onWheel(event) {
        const box = this.element.getBoundingClientRect();
        if (event.ctrlKey || event.metaKey) {
            event.preventDefault();
            const about = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
            this.zoom(Math.exp(event.deltaY * 0.003), about);
        } else if (!this.#fitted && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
            event.preventDefault();
            this.pan((event.deltaX || event.deltaY) / box.width);
        }
    }

    #startDrag(event) {
        if (event.button !== 0) return;
        const box = this.element.getBoundingClientRect();
        const share = (e) => Math.min(1, Math.max(0, (e.clientX - box.left) / box.width));
        const start = share(event);
        let end = start;
        this.element.setPointerCapture(event.pointerId);
        const move = (e) => {
            end = share(e);
            this.drag.hidden = Math.abs(end - start) * box.width < 4;
            this.drag.style.left = percent(Math.min(start, end));
            this.drag.style.width = percent(Math.abs(end - start));
        };
        const done = () => {
            this.element.removeEventListener("pointermove", move);
            const wide = !this.drag.hidden;
            this.drag.hidden = true;
            if (!wide) return;
            const {from, to} = this.view;
            const [a, b] = [Math.min(start, end), Math.max(start, end)];
            this.#set(clampView({from: from + (to - from) * a, to: from + (to - from) * b}, this.#length));
        };
        this.element.addEventListener("pointermove", move);
        this.element.addEventListener("pointerup", done, {once: true});
        this.element.addEventListener("pointercancel", done, {once: true});
    }

    /** Draws the ticks; gives the properties by which rows draw their lines. */
    draw(width) {
        const ticks = ticksOf(this.view, Math.max(3, Math.round(width / TICK_WIDTH)));
        const step = ticks.length > 1 ? ticks[1] - ticks[0] : this.view.to - this.view.from;
        replace(this.ticks, ticks.map((time) => ({at: placeOf(this.view, time), label: tickLabel(time, step)}))
            .filter(({at, label}) => at * width + 4 + label.length * SIGN_WIDTH <= width)
            .map(({at, label}) => el("span", {class: "axis-tick", style: {left: percent(at)}}, label)));
        return {first: percent(placeOf(this.view, ticks[0] ?? 0)), step: percent(step / (this.view.to - this.view.from))};
    }

    get label() {
        return `${duration(this.view.from)} to ${duration(this.view.to)}`;
    }
}
