// The list of traces: filters, sort and time range in the URL's fragment, rows as they come.
import {follow, get} from "./api.js";
import {debounce, el, emptyState, errorState, icon, replace, skeleton} from "./dom.js";
import {count, plural} from "./format.js";
import {popover} from "./popover.js";
import {rangePicker} from "./range.js";
import {go, href} from "./router.js";
import {setLive} from "./shell.js";
import {chooseColumns, chosenColumns, COLUMNS, columnsFor} from "./traces_columns.js";
import {chips, filterForm, isFiltered, linkQuery, readState, SORTS} from "./traces_filters.js";
import {TraceList} from "./traces_list.js";
import {TraceTable} from "./traces_table.js";

// What was on the screen when the page was left: back from a trace, it is there again at once.
let kept = null;
const KEPT_FOR_MS = 10 * 60e3;

let models = []; // known names, to choose from
async function readModels(signal) {
    if (models.length > 0) return;
    try {
        const {groups = []} = await get("/api/stats", {group_by: "model", limit: 50}, {signal});
        models = groups.map((g) => g.model).filter(Boolean);
    } catch {
        // One can still type.
    }
}

function firstHelp() {
    const code = (text) => el("pre", {class: "code", tabindex: "0"}, text);
    return emptyState("No traces yet",
        el("p", {}, "Trace any program that calls an LLM, without changing a line of it:"),
        code("llm-trace python app.py"),
        el("p", {}, "To send its traces to this service, give it the address and a key:"),
        code(`export TRACER_URL=${location.origin}\nexport TRACER_API_KEY=project-NAME\nllm-trace python app.py`),
        el("p", {}, "New traces show here as soon as they begin; there is nothing to reload."));
}

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
        follow({signal: this.signal, each: (event, data) => { if (event === "trace") this.list.tell(data); },
                state: (s) => { this.link = s; this.showLive(); }, back: () => this.list.readHead()});
    }

    build() {
        this.search = el("input", {type: "search", class: "input", id: "search", placeholder: "Search prompts, answers, names, errors",
                                   "aria-label": "Search", autocomplete: "off", spellcheck: "false",
                                   oninput: debounce(() => this.setFilter("q", this.search.value.trim(), true), 350),
                                   onkeydown: (event) => this.searchKey(event)});
        this.range = rangePicker((q) => this.navigate({...linkQuery(this.state), range: null, from: null, to: null, ...q}));
        this.filter = popover({id: "filter"}, [icon("filter"), el("span", {}, "Filter")],
                              (close) => filterForm(this.state, models, (values) => { close(); this.setFilters(values); }), "Filters");
        this.filter.button.addEventListener("pointerenter", () => readModels(this.signal), {once: true});
        this.filter.button.addEventListener("focus", () => readModels(this.signal), {once: true});
        this.columnsButton = popover({class: "button quiet columns-button", "aria-label": "Columns", title: "Columns"}, [icon("table")],
                                     () => this.columnsForm(), "Columns");
        this.quick = el("div", {class: "segments", role: "group", "aria-label": "Status"},
                        [["", "All"], ["error", "Errors"], ["running", "Running"]].map(([id, text]) =>
                            el("button", {type: "button", class: "segment", dataset: {status: id}, onclick: () => this.setFilter("status", id)}, text)));
        this.sort = el("select", {class: "select sort-select", "aria-label": "Sort by", onchange: () => this.setSort(this.sort.value, "desc")},
                       SORTS.map((s) => el("option", {value: s.id}, s.text)));
        this.pause = el("button", {type: "button", class: "button quiet pause", onclick: () => this.togglePause()});
        this.chips = el("div", {class: "chips", role: "group", "aria-label": "Active filters"});
        this.total = el("span", {class: "muted total", role: "status"});
        this.table = new TraceTable({onSort: (id) => this.setSort(id), onNear: () => this.list?.more(),
                                     onFilter: (f, value) => this.setFilter(f, value)});
        this.pill = el("button", {type: "button", class: "pill", hidden: true, onclick: () => this.showNew()});
        this.instead = el("div", {class: "instead", hidden: true});
        this.root.classList.add("fill");
        replace(this.root, el("h1", {class: "hidden-text"}, "Traces"),
            el("div", {class: "bar", role: "search"},
               el("div", {class: "search"}, icon("search"), this.search, el("kbd", {"aria-hidden": "true"}, "/")),
               this.range.button, this.quick, this.filter.button, this.sort,
               el("div", {class: "bar-end"}, this.total, this.pause, this.columnsButton.button)),
            this.chips, el("div", {class: "list-place"}, this.table.element, this.instead, this.pill),
            this.range.panel, this.filter.panel, this.columnsButton.panel);
        this.showPause();
    }

    /** Reads the list from its start, or takes the one that was kept. */
    openList(request, {fresh = false} = {}) {
        const name = request ? request.query.toString() : this.name;
        this.name = name;
        const before = !fresh && kept?.name === name && Date.now() - kept.at < KEPT_FOR_MS ? kept : null;
        kept = null;
        this.controller?.abort();
        this.controller = new AbortController();
        this.signal.addEventListener("abort", () => this.controller.abort(), {once: true});
        this.list = new TraceList(this.state, this.controller.signal, {
            changed: (list) => this.show(list), updated: (t) => this.updated(t),
            atTop: () => this.table.atTop});
        this.list.paused = this.paused;
        this.showControls();
        this.table.layout(this.state);
        this.table.clear();
        this.table.selected = before?.selected ?? null;
        if (!before) {
            this.table.element.scrollTop = 0;
            this.list.more();
            return;
        }
        Object.assign(this.list, {rows: before.rows, byId: before.byId, cursor: before.cursor, ended: before.ended});
        this.show(this.list);
        this.table.render();
        this.table.element.scrollTop = before.scrollTop;
        this.table.render();
        this.table.linkOf(before.selected)?.focus({preventScroll: true});
        this.list.readHead();
    }

    update(request) {
        this.state = readState(request.query);
        this.openList(request);
    }

    leave() {
        const {rows, byId, cursor, ended, error} = this.list;
        if (!error && rows.length > 0)
            kept = {name: this.name, at: Date.now(), rows, byId, cursor, ended, scrollTop: this.table.element.scrollTop,
                    selected: document.activeElement?.closest?.("tr[data-trace]")?.dataset.trace ?? this.table.selected};
        clearInterval(this.tick);
        this.table.release();
        setLive(null);
    }

    navigate(query, options) {
        go("/traces", query, options);
    }

    setFilter(id, value, replaceEntry = false) {
        if (id === "range") this.navigate({...linkQuery(this.state), range: null, from: null, to: null});
        else this.navigate({...linkQuery(this.state), [id]: value}, {replace: replaceEntry});
    }

    setFilters(values) {
        this.navigate({...linkQuery(this.state), ...values});
    }

    setSort(id, order) {
        const again = this.state.sort === id && this.state.order === "desc";
        const next = order ?? (again ? "asc" : "desc");
        this.navigate({...linkQuery(this.state), sort: id === "start_time" ? null : id, order: next === "asc" ? "asc" : null});
    }

    searchKey(event) {
        if (event.key === "Enter") this.setFilter("q", this.search.value.trim(), true);
        else if (event.key === "ArrowDown") this.table.move(1);
        else if (event.key === "Escape") {
            if (this.search.value) {
                this.search.value = "";
                this.setFilter("q", "", true);
            } else this.search.blur();
        } else return;
        event.preventDefault();
    }

    showControls() {
        const {state} = this;
        if (document.activeElement !== this.search) this.search.value = state.filters.q ?? "";
        this.range.set(state.range);
        this.sort.value = state.sort;
        for (const b of this.quick.children)
            b.setAttribute("aria-pressed", String(b.dataset.status === (state.filters.status ?? "")));
        replace(this.chips, chips(state, (id, value) => this.setFilter(id, value), () => this.navigate({
            sort: linkQuery(state).sort, order: linkQuery(state).order})));
        this.chips.hidden = this.chips.childElementCount === 0;
        const set = Object.keys(state.filters).filter((id) => id !== "q" && id !== "status").length;
        replace(this.filter.button, icon("filter"), el("span", {}, "Filter"), set > 0 && el("span", {class: "badge"}, set));
    }

    updated(trace) {
        this.table.changed(trace);
    }

    show(list) {
        if (list !== this.list) return;
        this.showFoot();
        for (const id of list.fresh.splice(0)) this.table.fresh.add(id);
        this.table.set(list.rows, list.ended);
        const n = list.waiting.size;
        this.pill.hidden = n === 0 && !list.overflow;
        replace(this.pill, icon("up"), list.overflow ? "Many new traces" : plural(n, "new trace"));
        replace(this.total, list.rows.length === 0 ? "" : list.ended ? plural(list.rows.length, "trace") : `${count(list.rows.length)}+ traces`);
        this.showInstead();
    }

    showInstead() {
        const {rows, loading, error, ended} = this.list;
        const instead = rows.length > 0 ? null
            : loading ? skeleton(12)
            : error ? errorState(error, () => this.list.retry())
            : !ended ? null
            : isFiltered(this.state) ? this.nothingFound() : firstHelp();
        this.instead.hidden = instead === null;
        this.table.element.classList.toggle("out", instead !== null);
        replace(this.instead, instead);
    }

    nothingFound() {
        return emptyState("No trace matches", el("p", {}, "Nothing in this project passes all of these filters."),
                          el("a", {class: "button", href: href("/traces")}, "Show all traces"));
    }

    showFoot() {
        const {rows, loading, error, ended} = this.list;
        replace(this.table.foot, rows.length === 0 ? null
            : error ? [el("span", {class: "problem"}, icon("error"), " ", error.message, " "),
                       el("button", {type: "button", class: "button small", onclick: () => this.list.retry()}, "Try again")]
            : loading ? "Reading more…" : ended && rows.length > 20 ? "That is all." : null);
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
        const text = this.paused ? "Go on showing new traces" : "Pause: show no new traces";
        replace(this.pause, icon(this.paused ? "play" : "pause"));
        this.pause.setAttribute("aria-label", text);
        this.pause.title = text + " (p)";
        this.showLive();
    }

    showLive() {
        if (!this.signal.aborted) setLive(this.link === "live" && this.paused ? "paused" : this.link);
    }

    columnsForm() {
        const shown = new Set(columnsFor(this.table.element.clientWidth).map((c) => c.id));
        const apply = (ids) => {
            chooseColumns(ids);
            this.table.layout();
            this.table.draw();
        };
        const boxes = COLUMNS.filter((c) => !c.fixed).map((c) => {
            const box = el("input", {type: "checkbox", checked: shown.has(c.id), onchange: () => {
                if (box.checked) shown.add(c.id);
                else shown.delete(c.id);
                apply([...shown]);
            }});
            return el("label", {class: "check"}, box, el("span", {}, c.label));
        });
        return el("div", {class: "menu columns-menu"}, boxes,
                  el("button", {type: "button", class: "button small", disabled: chosenColumns() === null, onclick: () => {
                      apply(null);
                      this.columnsButton.close();
                  }}, "As the width allows"));
    }

    open() {
        const link = this.table.linkOf(this.table.selected);
        if (!link) return false;
        link.click();
        return true;
    }

    get keys() {
        return [
            {key: "/", text: "Search", run: () => { this.search.focus(); this.search.select(); }},
            {key: "j", text: "Next trace", run: () => this.table.move(1)},
            {key: "k", text: "Previous trace", run: () => this.table.move(-1)},
            {key: "enter", text: "Open the trace", run: () => this.open()},
            {key: "esc", text: "Clear the selection, then the filters", run: () => this.escape()},
            {key: "f", text: "Filter", run: () => this.filter.open()},
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
        return {update: (r) => view.update(r), leave: () => view.leave(), get keys() { return view.keys; }};
    },
};
