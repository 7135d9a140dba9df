// The table itself: of tens of thousands of rows only those in view are in the document. Rows have
// one height, which the style sheet tells (--row-height: of a line, or of a narrow screen's card).
import {el, perFrame, replace} from "./dom.js";
import {columnsFor, headerCell, widthsOf} from "./traces_columns.js";

const AHEAD = 12; // rows kept above and below what is seen

export class TraceTable {
    /** each: onSort(id), onNear() when the end comes into view, onFilter(filter, value) */
    constructor(each) {
        this.each = each;
        this.rows = [];
        this.shown = new Map(); // trace_id → {trace, tr}
        this.selected = null;
        this.fresh = new Set();
        this.columns = [];
        this.state = null;
        this.head = el("thead", {role: "rowgroup"});
        this.above = el("tbody", {"aria-hidden": "true", class: "spacer"});
        this.body = el("tbody", {role: "rowgroup"});
        this.below = el("tbody", {"aria-hidden": "true", class: "spacer"});
        this.group = el("colgroup", {});
        this.table = el(
            "table",
            {class: "records traces", role: "table", "aria-label": "Traces"},
            this.group,
            this.head,
            this.above,
            this.body,
            this.below,
        );
        this.foot = el("div", {class: "list-foot"});
        this.element = el("div", {class: "list", tabindex: "-1"}, this.table, this.foot);
        this.draw = perFrame(() => this.render());
        this.element.addEventListener("scroll", this.draw, {passive: true});
        this.element.addEventListener("click", (event) => this.clicked(event));
        this.resized = new ResizeObserver(() => {
            this.layout();
            this.draw();
        });
        this.resized.observe(this.element);
    }

    release() {
        this.resized.disconnect();
    }

    /** Another sort, other columns or another width. */
    layout(state = this.state) {
        this.state = state;
        const style = getComputedStyle(this.table);
        this.rowHeight = parseInt(style.getPropertyValue("--row-height"), 10) || 32;
        const width = this.element.clientWidth || innerWidth;
        const columns = columnsFor(width);
        const widths = widthsOf(columns, width);
        this.table.style.setProperty("--table-width", widths.reduce((a, b) => a + b) + "px");
        replace(
            this.group,
            widths.map((w) => el("col", {style: {width: w + "px"}})),
        );
        const names = columns.map((c) => c.id).join() + state.sort + state.order;
        if (names === this.names) return;
        this.names = names;
        this.columns = columns;
        const sorting = document.activeElement?.dataset?.sort;
        replace(
            this.head,
            el(
                "tr",
                {role: "row"},
                columns.map((c) => headerCell(c, state, this.each.onSort)),
            ),
        );
        if (sorting) this.head.querySelector(`[data-sort="${sorting}"]`)?.focus();
        this.clear();
    }

    clear() {
        this.shown.clear();
        for (const part of [this.above, this.body, this.below]) part.replaceChildren();
    }

    set(rows, complete) {
        this.rows = rows;
        this.table.setAttribute("aria-rowcount", complete ? rows.length + 1 : -1);
        this.draw();
    }

    /** Draws the row of this trace again if it is in view. */
    changed(trace) {
        const known = this.shown.get(trace.trace_id);
        if (known) this.fill(known.tr, trace);
    }

    fill(tr, trace) {
        const focused = tr.contains(document.activeElement);
        replace(
            tr,
            this.columns.map((c) =>
                el(
                    "td",
                    {role: "cell", class: `cell-${c.id}${c.number ? " number" : ""}`},
                    c.cell(trace),
                ),
            ),
        );
        this.shown.set(trace.trace_id, {trace, tr});
        if (focused) tr.querySelector(".row-link").focus({preventScroll: true});
    }

    rowOf(trace) {
        const known = this.shown.get(trace.trace_id);
        if (known) {
            if (known.trace !== trace) this.fill(known.tr, trace);
            return known.tr;
        }
        const fresh = this.fresh.delete(trace.trace_id);
        const tr = el("tr", {
            role: "row",
            class: fresh ? "fresh" : null,
            dataset: {trace: trace.trace_id},
        });
        this.fill(tr, trace);
        return tr;
    }

    render() {
        const {scrollTop, clientHeight} = this.element;
        const height = this.rowHeight;
        const first = Math.max(0, Math.floor(scrollTop / height) - AHEAD);
        const end = Math.min(
            this.rows.length,
            Math.ceil((scrollTop + clientHeight) / height) + AHEAD,
        );
        const rows = this.rows.slice(first, end);
        const wanted = new Set(rows.map((t) => t.trace_id));
        for (const [id, {tr}] of this.shown)
            if (!wanted.has(id)) {
                tr.remove();
                this.shown.delete(id);
            }
        let before = this.body.firstChild;
        rows.forEach((trace, i) => {
            const tr = this.rowOf(trace);
            tr.setAttribute("aria-rowindex", first + i + 2);
            tr.classList.toggle("selected", trace.trace_id === this.selected);
            if (tr === before) before = before.nextSibling;
            else this.body.insertBefore(tr, before);
        });
        this.space(this.above, first * height);
        this.space(this.below, (this.rows.length - end) * height);
        if (end > this.rows.length - 4 * AHEAD) this.each.onNear();
    }

    space(body, height) {
        body.style.setProperty("--space", height + "px");
        if (height > 0 && !body.firstChild)
            body.append(el("tr", {}, el("td", {colspan: this.columns.length})));
        else if (height === 0) body.replaceChildren();
    }

    clicked(event) {
        const filter = event.target.closest(".cell-filter");
        if (filter) {
            this.each.onFilter(filter.dataset.filter, filter.dataset.value);
            return;
        }
        const tr = event.target.closest("tr[data-trace]");
        if (!tr || event.target.closest("a, button") || String(getSelection())) return;
        const link = tr.querySelector(".row-link");
        if (event.ctrlKey || event.metaKey) open(link.href, "_blank", "noopener");
        else link.click();
    }

    indexOf(id) {
        return this.rows.findIndex((t) => t.trace_id === id);
    }

    /** Selects the next (1) or the previous (-1) row and gives it the focus. */
    move(step) {
        if (this.rows.length === 0) return;
        const at = this.selected === null ? -1 : this.indexOf(this.selected);
        const to =
            at < 0 ? this.firstSeen() : Math.max(0, Math.min(this.rows.length - 1, at + step));
        this.select(to);
    }

    firstSeen() {
        return Math.min(this.rows.length - 1, Math.ceil(this.element.scrollTop / this.rowHeight));
    }

    select(index) {
        this.selected = this.rows[index].trace_id;
        const top = index * this.rowHeight;
        const room = this.element.clientHeight - this.head.offsetHeight - this.rowHeight;
        const list = this.element;
        if (top < list.scrollTop) list.scrollTop = top;
        else if (top > list.scrollTop + room) list.scrollTop = top - room;
        this.render();
        this.linkOf(this.selected)?.focus({preventScroll: true});
    }

    unselect() {
        this.selected = null;
        this.draw();
    }

    linkOf(id) {
        return this.shown.get(id)?.tr.querySelector(".row-link");
    }

    get atTop() {
        return this.element.scrollTop < this.rowHeight;
    }

    /** Rows of running traces whose time goes on. */
    tick() {
        const column = this.columns.find((c) => c.id === "duration");
        for (const {trace, tr} of this.shown.values())
            if (column && trace.status === "running" && trace.duration_ms === null)
                replace(tr.querySelector(".cell-duration"), column.cell(trace));
    }
}
