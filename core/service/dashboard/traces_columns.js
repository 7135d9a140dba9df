// The columns of the list of traces: what stands in a cell, how wide, what it sorts by.
import {el, icon, statusBadge} from "./dom.js";
import {shortened} from "./conversation_text.js";
import {compact, cost, count, duration, UNKNOWN, wholeCost} from "./format.js";
import {href, pathOf} from "./router.js";
import {fullTime, shortTime} from "./time.js";
import {filtersByTag} from "./traces_filters.js";

const NAME = "llm-tracer.columns";
const figure = (shown, title) => el("span", {title}, shown);

function nameCell(t) {
    const name = t.name || "(no name)";
    return el(
        "span",
        {class: "name-box"},
        el(
            "a",
            {
                class: "row-link cut",
                href: href(pathOf("trace", t.trace_id)),
                title: shortened(name, 1000),
            },
            shortened(name, 300),
        ),
        t.error &&
            el(
                "span",
                {class: "row-error cut", title: shortened(t.error, 1000)},
                shortened(t.error, 200),
            ),
    );
}

/** A value that filters by itself when clicked; reached by keyboard through the filter form. */
function filterLink(filter, value, what = "show only these") {
    return el(
        "button",
        {
            type: "button",
            class: "cell-filter cut",
            tabindex: "-1",
            dataset: {filter, value},
            title: `${shortened(value, 500)} – ${what}`,
        },
        shortened(value, 200),
    );
}

function modelCell(t) {
    if (!t.model) return UNKNOWN;
    return [
        filterLink("model", t.model, "show all with this in a model’s name"),
        t.models > 1 &&
            el("span", {class: "more", title: `${t.models} models`}, `+${t.models - 1}`),
    ];
}

function tokensCell(t) {
    if (t.tokens_input == null && t.tokens_output == null) return UNKNOWN;
    return el(
        "span",
        {class: "tokens", title: `${count(t.tokens_input)} in, ${count(t.tokens_output)} out`},
        el("span", {}, compact(t.tokens_input)),
        el("span", {class: "muted"}, "→"),
        el("span", {class: "tokens-out"}, compact(t.tokens_output)),
    );
}

function plainTag(tag) {
    return el("span", {class: "cell-tag cut", title: shortened(tag, 500)}, shortened(tag, 200));
}

function tagsCell(t) {
    const tags = t.tags ?? [];
    return [
        tags
            .slice(0, 2)
            .map((tag) => (filtersByTag(tag) ? filterLink("tags", tag) : plainTag(tag))),
        tags.length > 2 &&
            el(
                "span",
                {
                    class: "more",
                    title: tags
                        .slice(2)
                        .map((s) => shortened(s, 100))
                        .join(", "),
                },
                `+${tags.length - 2}`,
            ),
    ];
}

/** What a running trace took up to now. */
export function durationOf(t, now = Date.now()) {
    return (
        t.duration_ms ??
        (t.status === "running" ? Math.max(0, now - Date.parse(t.start_time)) : null)
    );
}

function durationCell(t) {
    const ms = durationOf(t);
    return figure(
        t.status === "running" ? duration(ms - (ms % 1000)) : duration(ms),
        ms === null ? null : count(ms) + " ms",
    );
}

// width: at least, in px; grow: its share of what is left over.
export const COLUMNS = [
    {
        id: "start_time",
        label: "Time",
        width: 120,
        sort: "start_time",
        cell: (t) =>
            el(
                "time",
                {datetime: t.start_time, title: fullTime(t.start_time)},
                shortTime(t.start_time),
            ),
    },
    {id: "status", label: "Status", width: 96, cell: (t) => statusBadge(t.status)},
    {id: "name", label: "Name", width: 220, grow: 5, fixed: true, cell: nameCell},
    {id: "model", label: "Model", width: 170, grow: 2, cell: modelCell},
    {
        id: "duration",
        label: "Duration",
        width: 104,
        sort: "duration",
        number: true,
        cell: durationCell,
    },
    {
        id: "ttft",
        label: "TTFT",
        title: "Time to the first token",
        width: 78,
        sort: "ttft",
        number: true,
        cell: (t) => duration(t.ttft_ms),
    },
    {
        id: "tokens",
        label: "Tokens",
        title: "Tokens in → out",
        width: 122,
        sort: "tokens",
        number: true,
        cell: tokensCell,
    },
    {
        id: "cached",
        label: "Cached",
        title: "Tokens in that were read from the provider's cache",
        width: 72,
        number: true,
        cell: (t) => figure(compact(t.tokens_cache_read), count(t.tokens_cache_read)),
    },
    {
        id: "cost",
        label: "Cost",
        width: 86,
        sort: "cost",
        number: true,
        cell: (t) => (t.total_cost ? figure(cost(t.total_cost), wholeCost(t.total_cost)) : UNKNOWN),
    },
    {
        id: "user",
        label: "User",
        width: 110,
        grow: 1,
        cell: (t) => (t.user_id ? filterLink("user_id", t.user_id) : ""),
    },
    {
        id: "session",
        label: "Session",
        width: 110,
        grow: 1,
        cell: (t) => (t.session_id ? filterLink("session_id", t.session_id) : ""),
    },
    {id: "tags", label: "Tags", width: 150, grow: 2, cell: tagsCell},
    {
        id: "calls",
        label: "Calls",
        title: "Calls to models",
        width: 64,
        number: true,
        cell: (t) => count(t.calls),
    },
    {id: "spans", label: "Spans", width: 64, number: true, cell: (t) => count(t.span_count)},
];

/** Widths in px that fill this one, or more where the columns do not fit. */
export function widthsOf(columns, width) {
    const least = columns.reduce((sum, c) => sum + c.width, 0);
    const shares = columns.reduce((sum, c) => sum + (c.grow ?? 0.25), 0);
    const left = Math.max(0, width - least);
    return columns.map((c) => Math.floor(c.width + (left * (c.grow ?? 0.25)) / shares));
}

export function chosenColumns() {
    try {
        const ids = JSON.parse(localStorage.getItem(NAME));
        return Array.isArray(ids) ? ids : null;
    } catch {
        return null;
    }
}

export function chooseColumns(ids) {
    try {
        if (ids === null) localStorage.removeItem(NAME);
        else localStorage.setItem(NAME, JSON.stringify(ids));
    } catch {
        // Nothing can be kept here.
    }
}

const CARD_MAX_WIDTH = 640; // as in traces.css
const CARD = ["name", "duration", "status", "start_time", "model", "cost"];
const ALWAYS = ["start_time", "status", "name", "duration"];
const AS_FITS = [
    "model",
    "cost",
    "tokens",
    "user",
    "ttft",
    "session",
    "cached",
    "tags",
    "calls",
    "spans",
];

function fitting(width) {
    const shown = [...ALWAYS];
    let left = width - COLUMNS.reduce((sum, c) => sum + (shown.includes(c.id) ? c.width : 0), 0);
    for (const id of AS_FITS) {
        left -= COLUMNS.find((c) => c.id === id).width;
        if (left < 0) break;
        shown.push(id);
    }
    return shown;
}

/** Those that fit this width, unless the person chose; a card has its own. */
export function columnsFor(width) {
    const ids = width <= CARD_MAX_WIDTH ? CARD : (chosenColumns() ?? fitting(width));
    return COLUMNS.filter((c) => c.fixed || ids.includes(c.id));
}

export function headerCell(column, state, onSort) {
    const sorted = column.sort && state.sort === column.sort;
    const attributes = {
        role: "columnheader",
        class: column.number ? "number" : null,
        scope: "col",
        title: column.title,
        "aria-sort": column.sort
            ? sorted
                ? state.order === "asc"
                    ? "ascending"
                    : "descending"
                : "none"
            : null,
    };
    if (!column.sort) return el("th", attributes, column.label);
    return el(
        "th",
        attributes,
        el(
            "button",
            {
                type: "button",
                class: "sort" + (sorted ? " sorted" : ""),
                dataset: {sort: column.sort},
                onclick: () => onSort(column.sort),
            },
            column.label,
            icon(sorted && state.order === "asc" ? "up" : "down"),
        ),
    );
}
