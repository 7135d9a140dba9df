// What a list of traces can be filtered by: names in the URL's fragment are those of the service.
import {el, icon, replace} from "./dom.js";
import {shortened} from "./conversation_text.js";
import {duration} from "./format.js";
import {rangeOf} from "./time.js";

/** "2s", "1.5 s", "300", "300ms", "2m" as ms; null when it is no duration. */
export function parseDuration(text) {
    const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)?\s*$/.exec(text ?? "");
    if (!match) return null;
    const ms = Math.round(Number(match[1]) * {ms: 1, s: 1e3, m: 60e3, h: 3600e3}[match[2] ?? "ms"]);
    return ms > 0 ? ms : null;
}

const STATUSES = [
    ["", "Any"],
    ["ok", "OK"],
    ["error", "Error"],
    ["running", "Running"],
];

export const FILTERS = [
    {id: "q", label: "Text", chip: (v) => `“${v}”`},
    {id: "name", label: "Name", hint: "part of it"},
    {id: "model", label: "Model", hint: "part of it"},
    {id: "status", label: "Status", choices: STATUSES},
    {id: "user_id", label: "User"},
    {id: "session_id", label: "Session"},
    {id: "tags", label: "Tags", hint: "any of: prod, eval"},
    {
        id: "min_duration_ms",
        label: "Duration",
        hint: "at least: 2s",
        chip: (v) => "≥ " + duration(Number(v)),
        read: (text) => parseDuration(text)?.toString() ?? "",
    },
];

export const SORTS = [
    {id: "start_time", text: "Newest"},
    {id: "duration", text: "Slowest"},
    {id: "cost", text: "Dearest"},
    {id: "tokens", text: "Most tokens"},
    {id: "ttft", text: "Longest TTFT"},
];

/** What the fragment's query says, as {filters, sort, order, range}. */
export function readState(query) {
    const filters = {};
    for (const f of FILTERS) {
        const value = (query.get(f.id) ?? "").trim();
        if (value) filters[f.id] = value;
    }
    const sort = SORTS.some((s) => s.id === query.get("sort")) ? query.get("sort") : "start_time";
    return {
        filters,
        sort,
        order: query.get("order") === "asc" ? "asc" : "desc",
        range: rangeOf(query, "all"),
    };
}

/** The same as parameters of a link. */
export function linkQuery(state) {
    const {range} = state;
    return {
        ...state.filters,
        sort: state.sort === "start_time" ? null : state.sort,
        order: state.order === "asc" ? "asc" : null,
        range: range.id === "custom" || range.id === "all" ? null : range.id,
        from: range.id === "custom" ? range.from : null,
        to: range.id === "custom" ? range.to : null,
    };
}

/** The same as parameters of GET /api/traces; without outputs, which may be long. */
export function apiQuery(state) {
    const {filters, sort, order, range} = state;
    return {...filters, sort, order, from: range.from, to: range.to, content: false};
}

/** false for a tag that the filter cannot name: several are told with commas between them. */
export function filtersByTag(tag) {
    return tag !== "" && tag === tag.trim() && !tag.includes(",");
}

export function isFiltered(state) {
    return Object.keys(state.filters).length > 0 || state.range.id !== "all";
}

const holds = (text, part) => (text ?? "").toLowerCase().includes(part.toLowerCase());

/** false when the trace is surely none of those asked for; the service alone knows the rest. */
export function mayMatch(state, trace) {
    const f = state.filters;
    const {from, to} = state.range;
    const start = Date.parse(trace.start_time);
    return !(
        (f.name && !holds(trace.name, f.name)) ||
        (f.status && f.status !== trace.status) ||
        (f.user_id && f.user_id !== trace.user_id) ||
        (f.session_id && f.session_id !== trace.session_id) ||
        (f.tags && !f.tags.split(",").some((t) => (trace.tags ?? []).includes(t.trim()))) ||
        (f.min_duration_ms &&
            trace.duration_ms !== null &&
            trace.duration_ms < Number(f.min_duration_ms)) ||
        (from && start < Date.parse(from)) ||
        (to && start >= Date.parse(to))
    );
}

/** true when what mayMatch says is all there is to know. */
export function knowsAll(state) {
    return !state.filters.q && !state.filters.model && !state.filters.min_duration_ms;
}

/** Chips of the filters that are set; change(id, "") takes one away. */
export function chips(state, change, clear) {
    const set = FILTERS.filter((f) => state.filters[f.id]);
    const range =
        state.range.id === "all" ? [] : [{id: "range", label: "Time", text: state.range.label}];
    const all = [
        ...set.map((f) => {
            const value = state.filters[f.id];
            const choice = f.choices?.find(([id]) => id === value)?.[1];
            return {id: f.id, label: f.label, text: choice ?? f.chip?.(value) ?? value};
        }),
        ...range,
    ];
    if (all.length === 0) return [];
    return [
        all.map(({id, label, text}) =>
            el(
                "button",
                {
                    type: "button",
                    class: "chip",
                    dataset: {filter: id},
                    title: `${label}: ${shortened(text, 500)}`,
                    onclick: () => change(id, ""),
                },
                el("span", {class: "hidden-text"}, "Remove filter "),
                el("span", {class: "muted"}, label + ": "),
                el("span", {class: "cut"}, shortened(text, 200)),
                icon("close"),
            ),
        ),
        all.length > 1 &&
            el(
                "button",
                {type: "button", class: "button quiet small", onclick: clear},
                "Clear all",
            ),
    ];
}

function field(f, state, models) {
    const id = "filter-" + f.id;
    const value = state.filters[f.id] ?? "";
    const list = f.id === "model" && models.length ? "filter-models" : null;
    return [
        el("label", {for: id}, f.label),
        f.choices
            ? el(
                  "select",
                  {id, name: f.id, class: "select", value},
                  f.choices.map(([v, text]) => el("option", {value: v}, text)),
              )
            : el("input", {
                  id,
                  name: f.id,
                  class: "input",
                  placeholder: f.hint,
                  autocomplete: "off",
                  spellcheck: "false",
                  list,
                  value: f.id === "min_duration_ms" && value ? value + "ms" : value,
              }),
        list &&
            el(
                "datalist",
                {id: list},
                models.map((m) => el("option", {value: m})),
            ),
    ];
}

/** The form with every filter; apply({id: value}) is given all of its fields. */
export function filterForm(state, models, apply) {
    const fields = FILTERS.filter((f) => f.id !== "q");
    const problem = el("p", {class: "problem", role: "alert"});
    return el(
        "form",
        {
            class: "filter-form",
            "aria-label": "Filters",
            onsubmit: (event) => {
                event.preventDefault();
                const values = {};
                for (const f of fields) {
                    const text = event.target.elements[f.id].value.trim();
                    values[f.id] = f.read ? f.read(text) : text;
                    if (text && !values[f.id]) {
                        replace(problem, "A duration reads 500ms, 2s or 1m.");
                        event.target.elements[f.id].focus();
                        return;
                    }
                }
                apply(values);
            },
        },
        el(
            "div",
            {class: "filter-fields"},
            fields.map((f) => field(f, state, models)),
        ),
        problem,
        el(
            "div",
            {class: "form-end"},
            el(
                "button",
                {
                    type: "button",
                    class: "button",
                    onclick: () => apply(Object.fromEntries(fields.map((f) => [f.id, ""]))),
                },
                "Clear",
            ),
            el("button", {type: "submit", class: "button primary"}, "Apply"),
        ),
    );
}
