// The list of traces: filters, sort and time range in the URL's fragment, rows as they come.
import {follow} from "./api.js";
import {button, el, icon, replace} from "./dom.js";
import {plural} from "./format.js";
import {currentKey} from "./key.js";
import {go} from "./router.js";
import {setLive} from "./shell.js";
import {TracesBar} from "./traces_bar.js";
import {isFiltered, linkQuery, readState} from "./traces_filters.js";
import {TraceList} from "./traces_list.js";
import {foot, instead, total} from "./traces_states.js";
import {TraceTable} from "./traces_table.js";

// What was on the screen when the page was left: back from a trace, it is there again at once.
let kept = null;
const KEPT_FOR_MS = 10 * 60e3;

class TracesPage {
    constructor(root, request) {
        this.root = root;
        this.signal = request.signal;
        this.state = readState(request.query);
        this.paused = false;
        this.link = "off";
        this.build();
        this.openList(request);
        this.tick = setInterval(() => this.table.tick(), 1000);
        follow({
            signal: this.signal,
            each: (event, data) => {
                if (event === "trace") this.list.tell(data);
            },
            state: (s) => {
                this.link = s;
                this.showLive();
            },
            opened: () => this.list.readHead(),
        });
    }

    build() {
        this.table = new TraceTable({
            onSort: (id) => this.setSort(id),
            onNear: () => this.list?.more(),
            onFilter: (id, value) => this.setFilter(id, value),
        });
        this.bar = new TracesBar(this);
        this.pill = button({class: "pill", hidden: true, onclick: () => this.showNew()});
        this.instead = el("div", {class: "instead", hidden: true});
        this.root.classList.add("fill");
        replace(
            this.root,
            el("h1", {class: "hidden-text"}, "Traces"),
            this.bar.elements,
            el("div", {class: "list-place"}, this.table.element, this.instead, this.pill),
            this.bar.panels,
        );
        this.showPause();
    }

    /** Reads the list of the route from its start, or takes the one that was kept. */
    openList(request, {fresh = false} = {}) {
        const name = request ? request.query.toString() : this.name;
        this.name = name;
        this.key = currentKey(); // rows of one project are not shown to the next
        const before =
            !fresh &&
            kept?.name === name &&
            kept.key === currentKey() &&
            Date.now() - kept.at < KEPT_FOR_MS
                ? kept
                : null;
        kept = null;
        this.controller?.abort();
        this.controller = new AbortController();
        this.signal.addEventListener("abort", () => this.controller.abort(), {once: true});
        this.list = new TraceList(this.state, this.controller.signal, {
            changed: (list) => this.show(list),
            updated: (t) => this.table.changed(t),
            atTop: () => this.table.atTop,
        });
        this.list.paused = this.paused;
        this.bar.show(this.state);
        this.table.layout(this.state);
        this.table.clear();
        this.table.selected = before?.selected ?? null;
        if (!before) {
            this.table.element.scrollTop = 0;
            this.list.more();
            return;
        }
        Object.assign(this.list, {
            rows: before.rows,
            byId: before.byId,
            cursor: before.cursor,
            ended: before.ended,
        });
        this.show(this.list);
        this.table.render();
        this.table.element.scrollTop = before.scrollTop;
        this.table.render();
        this.table.linkOf(before.selected)?.focus({preventScroll: true});
        this.list.readHead();
    }

    update(request) {
        if (request.query.toString() === this.name) return; // there and back at once
        this.state = readState(request.query);
        this.openList(request);
    }

    leave() {
        const {rows, byId, cursor, ended, error} = this.list;
        if (!error && rows.length > 0)
            kept = {
                name: this.name,
                key: this.key,
                at: Date.now(),
                rows,
                byId,
                cursor,
                ended,
                scrollTop: this.table.element.scrollTop,
                selected:
                    document.activeElement?.closest?.("tr[data-trace]")?.dataset.trace ??
                    this.table.selected,
            };
        clearInterval(this.tick);
        this.table.release();
        setLive(null);
    }

    navigate(query, options) {
        go("/traces", query, options);
    }

    setFilter(id, value, replaceEntry = false) {
        if (id === "range")
            this.navigate({...linkQuery(this.state), range: null, from: null, to: null});
        else this.navigate({...linkQuery(this.state), [id]: value}, {replace: replaceEntry});
    }

    setFilters(values) {
        this.navigate({...linkQuery(this.state), ...values});
    }

    setSort(id, order) {
        const again = this.state.sort === id && this.state.order === "desc";
        const next = order ?? (again ? "asc" : "desc");
        this.navigate({
            ...linkQuery(this.state),
            sort: id === "start_time" ? null : id,
            order: next === "asc" ? "asc" : null,
        });
    }

    show(list) {
        if (list !== this.list) return;
        for (const id of list.fresh.splice(0)) this.table.fresh.add(id);
        this.table.set(list.rows, list.ended);
        this.pill.hidden = list.waiting.size === 0 && !list.overflow;
        const text = list.overflow ? "Many new traces" : plural(list.waiting.size, "new trace");
        replace(this.pill, icon("up"), text);
        replace(this.bar.total, total(list));
        replace(this.table.foot, foot(list));
        const shown = instead(list, isFiltered(this.state));
        this.instead.hidden = shown === null;
        this.table.element.classList.toggle("out", shown !== null);
        replace(this.instead, shown);
    }

    showNew() {
        if (this.list.takeWaiting()) this.openList(null, {fresh: true});
        this.table.element.scrollTop = 0;
        this.table.element.focus({preventScroll: true});
    }

    togglePause() {
        this.paused = !this.paused;
        this.list.paused = this.paused;
        if (!this.paused && this.table.atTop && this.list.waiting.size > 0) this.showNew();
        this.showPause();
    }

    showPause() {
        this.bar.showPause(this.paused);
        this.showLive();
    }

    showLive() {
        if (!this.signal.aborted)
            setLive(this.link === "live" && this.paused ? "paused" : this.link);
    }

    open() {
        const link = this.table.linkOf(this.table.selected);
        if (!link) return false;
        link.click();
        return true;
    }

    get keys() {
        return [
            {key: "/", text: "Search", run: () => this.bar.startSearch()},
            {key: "j", text: "Next trace", run: () => this.table.move(1)},
            {key: "k", text: "Previous trace", run: () => this.table.move(-1)},
            {key: "enter", text: "Open the trace", run: () => this.open()},
            {key: "esc", text: "Clear the selection, then the filters", run: () => this.escape()},
            {key: "f", text: "Filter", run: () => this.bar.filter.open()},
            {key: "p", text: "Pause, go on", run: () => this.togglePause()},
            {key: "n", text: "Show new traces", run: () => this.showNew()},
        ];
    }

    escape() {
        if (this.table.selected !== null) {
            this.table.unselect();
            this.table.element.focus({preventScroll: true});
        } else if (isFiltered(this.state)) this.navigate({});
        else return false;
        return true;
    }
}

export const page = {
    title: (request) => {
        const q = request.query.get("q");
        return q ? `Traces: ${q.slice(0, 60)}` : "Traces";
    },
    show(root, request) {
        const view = new TracesPage(root, request);
        return {
            update: (r) => view.update(r),
            leave: () => view.leave(),
            get keys() {
                return view.keys;
            },
        };
    },
};
