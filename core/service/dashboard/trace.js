// The page of one trace: its head, the tree with the waterfall, and the panel of one span beside
// it (over it, as a sheet, on a narrow screen).

import {debounce, el, emptyState, errorState, replace, skeleton} from "./dom.js";
import {shown} from "./conversation_text.js";
import {cut, duration} from "./format.js";
import {go, pathOf} from "./router.js";
import {service, setLive, setTitle} from "./shell.js";
import {SpanPanel} from "./span_panel.js";
import {SpanTree} from "./tree.js";
import {showHeader} from "./trace_header.js";
import {TraceSource} from "./trace_source.js";
import {splitter} from "./trace_split.js";
import {treeTools} from "./trace_tools.js";

const NARROW = matchMedia("(max-width: 900px)");

let known = {id: null, name: null}; // of the trace that was shown last

class TracePage {
    #root;
    #id;
    #signal;
    #data = null; // {trace, tree, spans}
    #chosen; // the span in the panel
    #closedByHand = false;

    constructor(root, request) {
        this.#root = root;
        this.#id = request.params.id;
        this.#signal = request.signal;
        this.#chosen = request.query.get("span");
        this.head = el("header", {class: "trace-head"});
        this.tree = new SpanTree({open: (id, how) => this.#open(id, how), active: (id) => this.#follow(id),
                                  changed: () => this.tools?.update(), grown: (ms) => this.#grown(ms)});
        this.tools = treeTools(this.tree, () => this.#data?.tree ?? null);
        this.panel = new SpanPanel({onClose: () => this.close(), context: (id) => this.#context(id)});
        this.sheet = el("dialog", {class: "sheet", "aria-label": "Span"});
        this.sheet.addEventListener("close", () => this.#sheetClosed());
        this.side = el("aside", {class: "trace-side", "aria-label": "Chosen span", hidden: true});
        this.left = el("div", {class: "trace-left"}, this.tools.element, this.tree.element);
        this.split = el("div", {class: "trace-split"}, this.left, splitter(this.side, () => this.split), this.side);
        this.#follow = debounce((id) => { if (!this.side.hidden) this.#open(id, {scroll: false}); }, 120);
        this.source = new TraceSource(this.#id, request.signal, (data) => this.#show(data));
    }

    #follow;

    async start() {
        replace(this.#root, skeleton(10));
        this.#root.classList.add("fill");
        try {
            await this.source.read();
        } catch (error) {
            if (error.name === "AbortError") return;
            this.#fail(error);
            return;
        }
        const onResize = () => this.#place();
        NARROW.addEventListener("change", onResize, {signal: this.#signal});
        if (service().features?.includes("events") ?? true) this.source.follow(setLive);
    }

    #fail(error) {
        this.#root.classList.remove("fill");
        replace(this.#root, [404, 422].includes(error.status)
            ? emptyState("No such trace", el("p", {}, "It may have been deleted by age, or belong to another project."),
                         el("a", {class: "button", href: "#/traces"}, "All traces"))
            : errorState(error, () => this.start()));
    }

    #show({trace, tree, spans, altered}) {
        const first = this.#data === null;
        this.#data = {trace, tree, spans};
        known = {id: this.#id, name: shown(cut(trace.name || "Trace", 100))};
        setTitle(known.name, false);
        showHeader(this.head, trace, tree);
        if (first) replace(this.#root, this.head, this.split, this.sheet);
        this.left.classList.toggle("no-spans", tree.nodes.length === 0);
        this.left.classList.toggle("running", !trace.end_time);
        this.tree.setTree(tree);
        if (first) this.#openFirst();
        else if (this.#chosen === null && !this.#closedByHand) this.#openFirst();
        else if (this.#chosen !== null && altered.has(this.#chosen)) this.panel.load(this.#chosen, {quiet: true});
    }

    // On a wide screen the panel is never empty: the span of the address, else the call where there
    // is one alone, else the root.
    #openFirst() {
        const {nodes, total} = this.#data.tree;
        if (this.#chosen !== null) {
            this.#open(this.#chosen, {keep: true});
            return;
        }
        if (NARROW.matches || nodes.length === 0) return;
        const call = total.calls === 1 ? nodes.find((n) => ["llm", "embedding"].includes(n.span.span_type)) : null;
        this.#open((call ?? nodes[0]).id, {keep: true});
    }

    #grown(ms) {
        const place = this.head.querySelector(".trace-duration");
        if (place !== null && !this.#data.trace.end_time) place.textContent = duration(ms);
    }

    #context(id) {
        return {node: this.#data?.tree.byId.get(id) ?? null, spans: this.#data?.spans ?? []};
    }

    #open(id, {focus = false, keep = false, scroll = true} = {}) {
        const same = this.#chosen === id && this.panel.spanId === id;
        this.#chosen = id;
        this.#closedByHand = false;
        this.tree.select(id, {scroll});
        if (!same) this.panel.load(id);
        this.#place();
        if (focus && !NARROW.matches) this.panel.body.focus({preventScroll: true});
        if (!keep) go(pathOf("trace", this.#id), {span: id}, {replace: true});
    }

    // The panel stands where the screen has room for it.
    #place() {
        const open = this.#chosen !== null;
        const narrow = NARROW.matches;
        this.side.hidden = !open || narrow;
        this.split.classList.toggle("with-side", open && !narrow);
        const place = narrow ? this.sheet : this.side;
        if (this.panel.element.parentNode !== place) place.append(this.panel.element);
        if (open && narrow && !this.sheet.open) this.sheet.showModal();
        if (!(open && narrow) && this.sheet.open) this.sheet.close();
    }

    #sheetClosed() {
        if (NARROW.matches && this.#chosen !== null) this.close();
    }

    /** Closes the panel; false when there was none. */
    close() {
        if (this.#chosen === null) return false;
        this.#chosen = null;
        this.#closedByHand = true;
        this.panel.clear();
        this.#place();
        this.tree.select(null);
        this.tree.element.focus({preventScroll: true});
        go(pathOf("trace", this.#id), {}, {replace: true});
        return true;
    }

    update(request) {
        if (request.params.id !== this.#id) return false;
        const span = request.query.get("span");
        if (this.#data === null || span === this.#chosen) {
            this.#chosen = span;
            return true;
        }
        if (span === null) this.close();
        else this.#open(span, {keep: true});
        return true;
    }

    leave() {
        setLive(null);
        this.tree.leave();
        this.panel.clear();
        if (this.sheet.open) this.sheet.close();
    }
}

export const page = {
    title: ({params}) => (known.id === params.id ? known.name : "Trace"),
    async show(root, request) {
        const made = new TracePage(root, request);
        await made.start();
        return {
            update: (next) => made.update(next),
            leave: () => made.leave(),
            keys: [
                {key: "/", text: "Find in the tree", run: () => made.tools.find()},
                {key: "n", text: "Next that was found", run: () => made.tools.next(1)},
                {key: "N", text: "Previous that was found", run: () => made.tools.next(-1)},
                {key: "x", text: "Next error", run: () => made.tools.nextError()},
                {key: "e", text: "Open everything", run: () => made.tree.closeBelow(Infinity)},
                {key: "c", text: "Close all but the first level", run: () => made.tree.closeBelow(1)},
                {key: "+", text: "Closer", run: () => made.tree.axis.zoom(0.5)},
                {key: "-", text: "Farther", run: () => made.tree.axis.zoom(2)},
                {key: "0", text: "Whole time", run: () => made.tree.axis.fit()},
                {key: "esc", text: "Close the span", run: () => made.close()},
            ],
        };
    },
};
