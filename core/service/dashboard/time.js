// Times as the person's clock shows them; the service's are ISO 8601 in UTC.

const clock = new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
});
const minute = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit"});
const date = new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short"});
const dateOfYear = new Intl.DateTimeFormat("en-GB", {
    day: "numeric",
    month: "short",
    year: "numeric",
});

const startOfDay = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();

/** ms since 1970, NaN where there is none. */
export function parse(iso) {
    return iso ? Date.parse(iso) : NaN;
}

/** "14:03:21" today, "22 Nov 14:03" this year, "22 Nov 2025" before. */
export function shortTime(iso, now = Date.now()) {
    const at = parse(iso);
    if (Number.isNaN(at)) return "–";
    const d = new Date(at);
    const today = new Date(now);
    if (startOfDay(d) === startOfDay(today)) return clock.format(d);
    if (d.getFullYear() !== today.getFullYear()) return dateOfYear.format(d);
    return `${date.format(d)} ${minute.format(d)}`;
}

/** The whole of it, with milliseconds and zone. */
export function fullTime(iso) {
    const at = parse(iso);
    if (Number.isNaN(at)) return "–";
    const d = new Date(at);
    const ms = String(d.getMilliseconds()).padStart(3, "0");
    const zone = -d.getTimezoneOffset();
    const sign = zone < 0 ? "−" : "+";
    const two = (n) => String(n).padStart(2, "0");
    return (
        `${dateOfYear.format(d)} ${clock.format(d)}.${ms} UTC${sign}` +
        `${two(Math.floor(Math.abs(zone) / 60))}:${two(Math.abs(zone) % 60)}`
    );
}

/** "5 s ago", "3 min ago", "2 h ago", "4 d ago" */
export function ago(iso, now = Date.now()) {
    const at = parse(iso);
    if (Number.isNaN(at)) return "–";
    const s = Math.max(0, Math.round((now - at) / 1000));
    if (s < 60) return `${s} s ago`;
    if (s < 3600) return `${Math.floor(s / 60)} min ago`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
    return `${Math.floor(s / 86400)} d ago`;
}

const HOUR = 3600e3;
/** The time ranges to choose from; ms: how far back, 0: everything. */
export const RANGES = [
    {id: "15m", label: "Last 15 minutes", ms: HOUR / 4},
    {id: "1h", label: "Last hour", ms: HOUR},
    {id: "6h", label: "Last 6 hours", ms: 6 * HOUR},
    {id: "24h", label: "Last 24 hours", ms: 24 * HOUR},
    {id: "7d", label: "Last 7 days", ms: 7 * 24 * HOUR},
    {id: "30d", label: "Last 30 days", ms: 30 * 24 * HOUR},
    {id: "90d", label: "Last 90 days", ms: 90 * 24 * HOUR},
    {id: "all", label: "All time", ms: 0},
];

/** {from, to} as ISO or null, of a route's query: range=ID, or from= and to=. */
export function rangeOf(query, fallback = "all", now = Date.now()) {
    const iso = (text) => (Number.isNaN(parse(text)) ? null : new Date(parse(text)).toISOString());
    const from = iso(query.get("from"));
    const to = iso(query.get("to"));
    if (from || to) return {id: "custom", from, to, label: rangeLabel(from, to)};
    const known =
        RANGES.find((r) => r.id === query.get("range")) ?? RANGES.find((r) => r.id === fallback);
    return {
        id: known.id,
        from: known.ms ? new Date(now - known.ms).toISOString() : null,
        to: null,
        label: known.label,
    };
}

function rangeLabel(from, to) {
    if (from && to) return `${shortTime(from)} – ${shortTime(to)}`;
    return from ? `Since ${shortTime(from)}` : `Until ${shortTime(to)}`;
}

/** For <input type=datetime-local>: the local time without zone. */
export function toLocalInput(iso) {
    const at = parse(iso);
    if (Number.isNaN(at)) return "";
    const d = new Date(at - new Date(at).getTimezoneOffset() * 60e3);
    return d.toISOString().slice(0, 16);
}
