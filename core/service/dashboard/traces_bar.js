// What stands above the list of traces: search, time range, filters, columns, pause, and chips of
// the filters that are set.
import {get} from "./api.js";
import {button, debounce, el, icon, replace} from "./dom.js";
import {currentKey} from "./key.js";
import {popover} from "./popover.js";
import {rangePicker} from "./range.js";
import {chooseColumns, chosenColumns, COLUMNS, columnsFor} from "./traces_columns.js";
import {chips, filterForm, linkQuery, SORTS} from "./traces_filters.js";

const SEARCH_PAUSE_MS = 350;
const QUICK = [
    ["", "All"],
    ["error", "Errors"],
    ["running", "Running"],
];

let models = []; // known names, to choose from
let modelsOf = null; // the key they were read with
async function readModels(signal) {
    if (models.length > 0 && modelsOf === currentKey()) return;
    [models, modelsOf] = [[], currentKey()];
    try {
        const {groups = []} = await get("/api/stats", {group_by: "model", limit: 50}, {signal});
        models = groups.map((g) => g.model).filter(Boolean);
    } catch {
        // One can still type.
    }
}

export class TracesBar {
    /** page: the TracesPage, whose state it shows and whose filters it sets. */
    constructor(page) {
        this.page = page;
        this.search = this.searchField();
        this.range = rangePicker((query) => this.setRange(query));
        this.filter = this.filterButton();
        this.columns = popover(
            {class: "button quiet columns-button", "aria-label": "Columns", title: "Columns"},
            [icon("table")],
            () => this.columnsForm(),
            "Columns",
        );
        this.quick = this.statusButtons();
        this.sort = el(
            "select",
            {
                class: "select sort-select",
                "aria-label": "Sort by",
                onchange: () => page.setSort(this.sort.value, "desc"),
            },
            SORTS.map((s) => el("option", {value: s.id}, s.text)),
        );
        this.pause = button({class: "button quiet pause", onclick: () => page.togglePause()});
        this.chips = el("div", {class: "chips", role: "group", "aria-label": "Active filters"});
        this.total = el("span", {class: "muted total", role: "status"});
    }

    get elements() {
        const field = [icon("search"), this.search, el("kbd", {"aria-hidden": "true"}, "/")];
        const end = [this.total, this.pause, this.columns.button];
        const bar = el(
            "div",
            {class: "bar", role: "search"},
            el("div", {class: "search"}, field),
            this.range.button,
            this.quick,
            this.filter.button,
            this.sort,
            el("div", {class: "bar-end"}, end),
        );
        return [bar, this.chips];
    }

    get panels() {
        return [this.range.panel, this.filter.panel, this.columns.panel];
    }

    searchField() {
        const changed = debounce(() => this.applySearch(), SEARCH_PAUSE_MS);
        return el("input", {
            type: "search",
            class: "input",
            id: "search",
            placeholder: "Search prompts, answers, names, errors",
            "aria-label": "Search",
            autocomplete: "off",
            spellcheck: "false",
            oninput: changed,
            onkeydown: (event) => this.searchKey(event),
        });
    }

    applySearch() {
        if (!this.page.signal.aborted) this.page.setFilter("q", this.search.value.trim(), true);
    }

    startSearch() {
        this.search.focus();
        this.search.select();
    }

    searchKey(event) {
        if (event.key === "Enter") this.applySearch();
        else if (event.key === "ArrowDown") this.page.table.move(1);
        else if (event.key === "Escape" && !this.search.value) this.search.blur();
        else if (event.key === "Escape") {
            this.search.value = "";
            this.applySearch();
        } else return;
        event.preventDefault();
    }

    setRange(query) {
        const {page} = this;
        page.navigate({...linkQuery(page.state), range: null, from: null, to: null, ...query});
    }

    filterButton() {
        const form = (close) =>
            filterForm(this.page.state, models, (values) => {
                close();
                this.page.setFilters(values);
            });
        const made = popover({class: "button filter-button"}, [], form, "Filters");
        const read = () => readModels(this.page.signal);
        made.button.addEventListener("pointerenter", read, {once: true});
        made.button.addEventListener("focus", read, {once: true});
        return made;
    }

    statusButtons() {
        const buttons = QUICK.map(([id, text]) =>
            button(
                {
                    class: "segment",
                    dataset: {status: id},
                    onclick: () => this.page.setFilter("status", id),
                },
                text,
            ),
        );
        return el("div", {class: "segments", role: "group", "aria-label": "Status"}, buttons);
    }

    /** Shows what the URL says. */
    show(state) {
        const {page} = this;
        if (document.activeElement !== this.search) this.search.value = state.filters.q ?? "";
        this.range.set(state.range);
        this.sort.value = state.sort;
        for (const b of this.quick.children) {
            const pressed = b.dataset.status === (state.filters.status ?? "");
            b.setAttribute("aria-pressed", String(pressed));
        }
        const {sort, order} = linkQuery(state);
        const clear = () => page.navigate({sort, order});
        replace(
            this.chips,
            chips(state, (id, value) => page.setFilter(id, value), clear),
        );
        this.chips.hidden = this.chips.childElementCount === 0;
        const others = Object.keys(state.filters).filter((id) => id !== "q" && id !== "status");
        const badge = others.length > 0 && el("span", {class: "badge"}, others.length);
        replace(this.filter.button, icon("filter"), el("span", {}, "Filter"), badge);
    }

    showPause(paused) {
        const text = paused ? "Go on showing new traces" : "Pause: show no new traces";
        replace(this.pause, icon(paused ? "play" : "pause"));
        this.pause.setAttribute("aria-label", text);
        this.pause.title = text + " (p)";
    }

    columnsForm() {
        const {table} = this.page;
        const shown = new Set(columnsFor(table.element.clientWidth).map((c) => c.id));
        const apply = (ids) => {
            chooseColumns(ids);
            table.layout();
            table.draw();
        };
        const boxes = COLUMNS.filter((c) => !c.fixed).map((c) => {
            const box = el("input", {type: "checkbox", checked: shown.has(c.id)});
            box.addEventListener("change", () => {
                if (box.checked) shown.add(c.id);
                else shown.delete(c.id);
                apply([...shown]);
            });
            return el("label", {class: "check"}, box, el("span", {}, c.label));
        });
        const reset = () => {
            apply(null);
            this.columns.close();
        };
        return el(
            "div",
            {class: "menu columns-menu"},
            boxes,
            button(
                {class: "button small", disabled: chosenColumns() === null, onclick: reset},
                "As the width allows",
            ),
        );
    }
}
