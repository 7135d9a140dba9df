// Groups of traces (by session, by user) as a table: sorted by any column, filtered as one types,
// a page of rows at a time.

import {debounce, el, emptyState, errorState, icon, paced, replace, skeleton} from "./dom.js";
import {follow, get} from "./api.js";
import {compact, cost, count, plural, UNKNOWN, wholeCost} from "./format.js";
import {go, href} from "./router.js";
import {ago, fullTime, rangeOf} from "./time.js";
import {service, setLive} from "./shell.js";
import {rangePicker} from "./range.js";

const STEP = 100; // rows at once
const GROUPS_MAX = 1000;
const SOON_MS = 1000; // what comes together is read at once
const LIVE_MS = 10000; // between two readings while traces come: each adds up all of them

function total(group) {
    const {tokens_input: input, tokens_output: output} = group;
    return input === null && output === null ? null : (input ?? 0) + (output ?? 0);
}

function tokens(group) {
    if (total(group) === null) return UNKNOWN;
    return el("span", {title: `${count(group.tokens_input)} in, ${count(group.tokens_output)} out`},
              `${compact(group.tokens_input)} → ${compact(group.tokens_output)}`);
}

function errors(group) {
    if (!(group.errors > 0)) return el("span", {class: "muted"}, "0");
    return el("span", {class: "status status-error"}, icon("error"), count(group.errors));
}

export function timeCell(iso) {
    return el("time", {datetime: iso, title: fullTime(iso)}, ago(iso));
}

/** Columns that every group has. from: the width of the window, in px, from which it is shown. */
export const FIGURES = {
    traces: {id: "traces", label: "Traces", number: true, value: (g) => g.traces, cell: (g) => count(g.traces)},
    calls: {id: "calls", label: "Calls", number: true, from: 640, value: (g) => g.calls, cell: (g) => count(g.calls)},
    errors: {id: "errors", label: "Errors", number: true, from: 480, value: (g) => g.errors, cell: errors},
    tokens: {id: "tokens", label: "Tokens", number: true, from: 900, value: total, cell: tokens},
    cost: {id: "cost", label: "Cost", number: true, value: (g) => g.cost,
           cell: (g) => (g.cost > 0 ? el("span", {title: wholeCost(g.cost)}, cost(g.cost)) : UNKNOWN)},
    first: {id: "first", label: "First", from: 1000, value: (g) => g.first_time, cell: (g) => timeCell(g.first_time)},
    last: {id: "last", label: "Last", value: (g) => g.last_time, cell: (g) => timeCell(g.last_time)},
};

function compare(column, ascending) {
    return (a, b) => {
        const [x, y] = [column.value(a), column.value(b)];
        if (x === y) return 0;
        if (x === null || x === undefined) return 1; // what is unknown comes last
        if (y === null || y === undefined) return -1;
        return (x < y ? -1 : 1) * (ascending ? 1 : -1);
    };
}

/**
 * The page of a table of groups. what: {path, title, one, many, groupBy, nameOf(group), columns,
 * about(query): nodes under the title, seen(group, row): called when a row is first in view}
 */
export class GroupPage {
    #groups = [];
    #shown = STEP;

    constructor(root, request, what) {
        Object.assign(this, {root, what, query: request.query, signal: request.signal});
        this.range = rangePicker((change) => this.#navigate(change));
        this.field = el("input", {type: "search", class: "input", placeholder: `Find ${what.one}`, spellcheck: "false",
                                  autocomplete: "off", "aria-label": `Find a ${what.one}`, value: this.query.get("find") ?? "",
                                  oninput: debounce(() => this.#navigate({find: this.field.value}), 200)});
        this.said = el("span", {class: "muted", role: "status"});
        this.about = el("div", {class: "group-about"});
        this.place = el("div", {class: "group-place"});
        this.observer = new IntersectionObserver((entries) => this.#seen(entries));
        replace(root, el("header", {class: "page-head"}, el("h1", {}, what.title), this.field, this.range.button,
                         this.range.panel, this.said), this.about, this.place);
    }

    #navigate(change) {
        const query = {...Object.fromEntries(this.query), ...change};
        go(this.what.path, query, {replace: true});
    }

    /** Another query: read anew when it is of another time or user, else only shown anew. */
    async update(request) {
        const before = this.query;
        this.query = request.query;
        const same = ["range", "from", "to", "user_id"].every((name) => before.get(name) === request.query.get(name));
        if (same) {
            this.#draw();
        } else {
            this.#shown = STEP;
            await this.read();
        }
    }

    /** quiet: what is shown stays where this fails. */
    async read({quiet = false} = {}) {
        const range = rangeOf(this.query, "all");
        this.range.set(range);
        replace(this.about, this.what.about?.(this.query) ?? null);
        if (this.#groups.length === 0) replace(this.place, skeleton(8));
        try {
            const answer = await get("/api/stats", {group_by: this.what.groupBy, limit: GROUPS_MAX, from: range.from,
                                                    to: range.to, user_id: this.query.get("user_id")}, {signal: this.signal});
            this.#groups = Array.isArray(answer.groups) ? answer.groups : [];
            this.#draw();
        } catch (error) {
            if (error.name !== "AbortError" && !quiet) replace(this.place, errorState(error, () => this.read()));
        }
    }

    get #sort() {
        const columns = this.what.columns;
        const column = columns.find((c) => c.id === this.query.get("sort")) ?? columns.find((c) => c.id === "last");
        return {column, ascending: this.query.get("order") === "asc"};
    }

    #matching() {
        const wanted = (this.query.get("find") ?? "").trim().toLowerCase();
        const named = this.#groups.filter((g) => this.what.nameOf(g) !== null);
        return wanted === "" ? named : named.filter((g) => this.what.nameOf(g).toLowerCase().includes(wanted));
    }

    /** Reads the totals again while traces come, and keeps the place of the reader. */
    follow() {
        const again = paced(() => { if (!document.hidden) this.read({quiet: true}); }, SOON_MS, LIVE_MS);
        this.signal.addEventListener("abort", again.stop);
        follow({signal: this.signal, state: setLive, back: again, each: (event) => { if (event === "trace") again(); }});
    }

    #draw() {
        const link = this.place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        this.#drawRows();
        if (link !== null) this.place.querySelector(`a[href="${CSS.escape(link)}"]`)?.focus({preventScroll: true});
    }

    #drawRows() {
        const {column, ascending} = this.#sort;
        const rows = this.#matching().sort(compare(column, ascending));
        const whole = this.#groups.length >= GROUPS_MAX;
        this.said.textContent = plural(rows.length, this.what.one) + (whole ? ", the latest ones" : "");
        this.observer.disconnect();
        if (rows.length === 0) {
            replace(this.place, this.#empty());
            return;
        }
        const more = rows.length <= this.#shown ? null
            : el("button", {type: "button", class: "button", onclick: () => { this.#shown += STEP; this.#draw(); }},
                 `Show ${Math.min(STEP, rows.length - this.#shown)} more`);
        replace(this.place, el("table", {class: "records groups"},
            el("caption", {class: "hidden-text"}, this.what.title),
            el("thead", {}, el("tr", {}, this.what.columns.map((c) => this.#head(c, column, ascending)))),
            el("tbody", {}, rows.slice(0, this.#shown).map((group) => this.#row(group)))), more);
    }

    #empty() {
        if (this.#groups.some((g) => this.what.nameOf(g) !== null)) {
            return emptyState(`No ${this.what.one} of that name`,
                              el("a", {class: "button", href: href(this.what.path)}, `All ${this.what.many}`));
        }
        return emptyState(`No ${this.what.many} yet`, this.what.empty);
    }

    #head(column, sorted, ascending) {
        const now = column === sorted;
        const toggle = () => this.#navigate({sort: column.id, order: now && !ascending ? "asc" : null});
        return el("th", {scope: "col", class: `${column.number ? "number " : ""}${this.#hiding(column)}`,
                         "aria-sort": now ? (ascending ? "ascending" : "descending") : null},
                  column.value === undefined ? column.label
                      : el("button", {type: "button", class: now ? "sort sorted" : "sort", onclick: toggle}, column.label,
                           icon(now && ascending ? "up" : "down")));
    }

    #hiding(column) {
        return column.from === undefined ? "" : `from-${column.from}`;
    }

    #row(group) {
        const row = el("tr", {}, this.what.columns.map((column) =>
            el("td", {class: `${column.number ? "number " : ""}${this.#hiding(column)}`, dataset: {column: column.id}},
               column.cell(group))));
        if (this.what.seen !== undefined) {
            row.group = group;
            this.observer.observe(row);
        }
        return row;
    }

    #seen(entries) {
        for (const {isIntersecting, target} of entries) {
            if (!isIntersecting) continue;
            this.observer.unobserve(target);
            this.what.seen(target.group, target, this.signal);
        }
    }

    leave() {
        setLive(null);
        this.observer.disconnect();
    }
}


/** A module's page of such a table. */
export function groupPage(what) {
    return {
        title: () => what.title,
        async show(root, request) {
            const made = new GroupPage(root, request, what);
            await made.read();
            if (service().features?.includes("events") ?? true) made.follow();
            return {
                update: (next) => { made.update(next); return true; },
                leave: () => made.leave(),
                keys: [{key: "/", text: `Find a ${what.one}`, run: () => made.field.focus()}],
            };
        },
    };
}
