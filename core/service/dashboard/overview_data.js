// What the overview shows, read from /api/stats and /api/traces and put into series by model.
import {get} from "./api.js";
import {bucketTimes, DAY, HOUR} from "./chart_scale.js";

const SERIES = 5; // models with a series of their own; the rest is one
const HOURS_UP_TO = 3 * DAY;
const TOP = 8;

export const modelName = (model) => model ?? "(no model)";

/** Hours for short ranges, days for long ones. */
export function bucketWidth(range, now = Date.now()) {
    if (!range.from) return DAY;
    const to = range.to ? Date.parse(range.to) : now;
    return to - Date.parse(range.from) <= HOURS_UP_TO ? HOUR : DAY;
}

/** The same range in whole hours, which is what totals are kept by: {from, to} as ISO or null. */
export function wholeHours({from, to}) {
    const iso = (ms) => new Date(ms).toISOString();
    return {
        from: from && iso(Math.floor(Date.parse(from) / HOUR) * HOUR),
        to: to && iso(Math.ceil(Date.parse(to) / HOUR) * HOUR),
    };
}

/** Of all spans of a group: its errors are theirs, be they calls or not. null: it has none. */
export const errorRate = (g) => (g.spans > 0 ? g.errors / g.spans : null);

/** {calls, errors, tokens, cost, ...} over the groups by model; percentiles are of the whole. */
export function totals(groups, whole) {
    const sumOf = (some, field) => some.reduce((n, g) => n + (g[field] ?? 0), 0);
    const sum = (field) => sumOf(groups, field);
    // Errors of tools are none of a model: they stand in the group without one.
    const models = groups.filter((g) => g.model !== null);
    return {
        of_models: {spans: sumOf(models, "spans"), errors: sumOf(models, "errors")},
        calls: sum("calls"),
        errors: sum("errors"),
        spans: sum("spans"),
        cost: sum("cost"),
        tokens_input: sum("tokens_input"),
        tokens_output: sum("tokens_output"),
        tokens_cache_read: sum("tokens_cache_read"),
        ...whole,
    };
}

const weight = (g) => (g.cost ?? 0) * 1e6 + (g.calls ?? 0);

/** The names of the models that get a series: those that cost and are called most. */
export function topModels(groups) {
    return groups
        .filter((g) => g.model !== null && g.calls > 0)
        .sort((a, b) => weight(b) - weight(a))
        .slice(0, SERIES)
        .map((g) => g.model);
}

/** Sums of `value(group)` a bucket for each top model, and for all others together. */
export function sumSeries(groups, times, models, value) {
    const place = new Map(times.map((t, i) => [t, i]));
    const names = [...models, null];
    const series = names.map((m) => ({name: m ?? "others", values: times.map(() => 0)}));
    for (const g of groups) {
        const i = place.get(Date.parse(g.time));
        const k = models.indexOf(g.model);
        if (i !== undefined) series[k < 0 ? models.length : k].values[i] += value(g) ?? 0;
    }
    return series.filter((s) => s.values.some((v) => v > 0));
}

/** Values that cannot be summed (percentiles, rates): of the top models; null where there is none. */
export function valueSeries(groups, times, models, value) {
    const place = new Map(times.map((t, i) => [t, i]));
    const series = models.map((m) => ({name: m, values: times.map(() => null)}));
    for (const g of groups) {
        const i = place.get(Date.parse(g.time));
        const k = models.indexOf(g.model);
        if (i !== undefined && k >= 0) series[k].values[i] = value(g) ?? null;
    }
    return series.filter((s) => s.values.some((v) => v !== null));
}

export function bucketsOf(range, groups, width, now = Date.now()) {
    const told = groups.map((g) => Date.parse(g.time)).filter((t) => !Number.isNaN(t));
    const from = range.from ? Date.parse(range.from) : Math.min(now, ...told);
    const to = range.to ? Date.parse(range.to) - 1 : Math.max(now, ...told);
    return bucketTimes(from, to, width);
}

export function topUsers(groups) {
    return groups
        .filter((g) => g.user_id !== null)
        .sort((a, b) => weight(b) - weight(a))
        .slice(0, TOP);
}

/** Everything that the page shows of a range. */
export async function readOverview(range, signal) {
    const width = bucketWidth(range);
    const time = wholeHours(range);
    const ask = (path, query) => get(path, {...query, ...time}, {signal});
    const [models, over, users, slowest, dearest] = await Promise.all([
        ask("/api/stats", {group_by: "model"}),
        ask("/api/stats", {group_by: width === HOUR ? "hour,model" : "day,model", limit: 10000}),
        ask("/api/stats", {group_by: "user"}),
        ask("/api/traces", {sort: "duration", limit: TOP, content: false}),
        ask("/api/traces", {sort: "cost", limit: TOP, content: false}),
    ]);
    return {
        width,
        time,
        models: models.groups ?? [],
        over: over.groups ?? [],
        users: topUsers(users.groups ?? []),
        traces: models.total_traces,
        totals: totals(models.groups ?? [], models.whole),
        slowest: slowest.traces.filter((t) => t.duration_ms !== null),
        dearest: dearest.traces.filter((t) => t.total_cost > 0),
        times: bucketsOf(time, over.groups ?? [], width),
    };
}
