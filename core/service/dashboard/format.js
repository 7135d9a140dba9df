// Figures as a person reads them. What is unknown (null, undefined) is "–", never 0.

export const UNKNOWN = "–";
const absent = (v) => v === null || v === undefined || Number.isNaN(Number(v));
const HUGE = 1e15; // from here on, digits tell nothing but what is hostile

const huge = (v) => Number(v).toExponential(1).replace("e+", "e");

function fixed(value, digits) {
    return value.toLocaleString("en-US", {
        minimumFractionDigits: digits,
        maximumFractionDigits: digits,
    });
}

/** 0.4 ms, 31 ms, 1.34 s, 2 m 05 s, 3 h 04 m, 2 d 3 h. */
export function duration(ms) {
    if (absent(ms)) return UNKNOWN;
    if (ms >= HUGE) return huge(ms / 86400000) + " d";
    if (ms < 0) return "−" + duration(-ms);
    if (ms > 0 && ms < 9.95) return fixed(ms, 1) + " ms";
    if (ms < 999.5) return Math.round(ms) + " ms";
    if (ms < 9995) return fixed(ms / 1000, 2) + " s";
    if (ms < 59950) return fixed(ms / 1000, 1) + " s";
    const s = Math.round(ms / 1000);
    const two = (n) => String(n).padStart(2, "0");
    if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} m`;
    return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

/** 1,234,567 */
export function count(n) {
    if (absent(n)) return UNKNOWN;
    return Math.abs(n) >= HUGE ? huge(n) : Number(n).toLocaleString("en-US");
}

/** 999, 1.2K, 34K, 1.2M */
export function compact(n) {
    if (absent(n)) return UNKNOWN;
    if (Math.abs(n) >= HUGE) return huge(n);
    for (const [unit, letter] of [
        [1e9, "B"],
        [1e6, "M"],
        [1e3, "K"],
    ])
        if (Math.abs(n) >= unit * 0.9995) {
            const v = n / unit;
            return fixed(v, v < 9.95 ? 1 : 0) + letter;
        }
    return count(n);
}

/** US dollars: two digits that count at least, $0.0000098 to $1,234 and $1.2M. */
export function cost(usd) {
    if (absent(usd)) return UNKNOWN;
    if (usd === 0) return "$0";
    const size = Math.abs(usd);
    if (size >= HUGE) return "$" + huge(usd);
    if (size >= 999999.5) return "$" + compact(usd);
    if (size >= 1000) return "$" + fixed(usd, 0);
    if (size >= 0.995) return "$" + fixed(usd, 2);
    const digits = Math.min(10, 1 - Math.floor(Math.log10(size)));
    return "$" + fixed(usd, digits).replace(/(\.\d\d+?)0+$/, "$1");
}

/** Every digit of what cost() cuts, for titles; null where it cuts none. */
export function wholeCost(usd) {
    return absent(usd) || Math.abs(usd) < 999999.5 ? null : "$" + count(Math.round(usd));
}

export function percent(part, whole) {
    if (absent(part) || !whole) return UNKNOWN;
    const p = (part / whole) * 100;
    return (p === 0 ? "0" : p < 0.095 ? "<0.1" : fixed(p, p < 9.95 ? 1 : 0)) + " %";
}

/** 512 B, 4.0 KB, 5.2 MB */
export function bytes(n) {
    if (absent(n)) return UNKNOWN;
    if (n < 1000) return n + " B";
    for (const [unit, name] of [
        [1e9, "GB"],
        [1e6, "MB"],
        [1e3, "KB"],
    ])
        if (n >= unit) return fixed(n / unit, n / unit < 9.95 ? 1 : 0) + " " + name;
    return n + " B";
}

export function plural(n, one, many = one + "s") {
    return `${count(n)} ${n === 1 ? one : many}`;
}

/** A text cut to at most n characters, for titles and labels. */
export function cut(text, n) {
    const s = String(text ?? "");
    return s.length <= n ? s : s.slice(0, n - 1) + "…";
}
