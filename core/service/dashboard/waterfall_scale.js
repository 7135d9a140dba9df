// The time axis of the waterfall: which part of the trace is looked at, where a span's bar lies in
// it, and where the axis has its ticks. Times are ms since the trace's start. Pure.

const SHORTEST = 0.01; // ms that the whole width may show
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000,
    120000, 180000, 300000, 600000, 1200000, 1800000, 3600000, 7200000, 10800000, 21600000, 43200000,
    86400000];

/** Everything, with a little room at the end for what is written there. */
export function fitView(length) {
    return { from: 0, to: Math.max(length, SHORTEST) * 1.02 };
}

/** A view within 0..length*1.02, no narrower than can be shown. */
export function clampView(view, length) {
    const whole = fitView(length);
    const width = Math.min(Math.max(view.to - view.from, SHORTEST), whole.to);
    const from = Math.min(Math.max(view.from, 0), whole.to - width);
    return { from, to: from + width };
}

/** Zooms by a factor (below 1: closer) about a point of the width, 0..1. */
export function zoomView(view, factor, about, length) {
    const at = view.from + (view.to - view.from) * about;
    const width = (view.to - view.from) * factor;
    return clampView({ from: at - width * about, to: at + width * (1 - about) }, length);
}

/** Moves by a share of the width. */
export function panView(view, share, length) {
    const by = (view.to - view.from) * share;
    return clampView({ from: view.from + by, to: view.to + by }, length);
}

/** Where a time lies, as a share of the width; outside of 0..1 where it is not in view. */
export function placeOf(view, time) {
    return (time - view.from) / (view.to - view.from);
}

/** The part of a bar that is in view: {left, width} as shares, and what was cut; null: none. */
export function barOf(view, start, end) {
    const from = placeOf(view, start);
    const to = Math.max(placeOf(view, end), from);
    if (Number.isNaN(from) || to < 0 || from > 1) return null;
    const left = Math.max(from, 0);
    return { left, width: Math.min(to, 1) - left, cutLeft: from < 0, cutRight: to > 1 };
}

function stepFor(width, most) {
    const least = width / most;
    if (least < 1) {
        const power = 10 ** Math.floor(Math.log10(least));
        return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= least * 0.999);
    }
    return STEPS.find((step) => step >= least)
        ?? Math.ceil(least / 86400000) * 86400000;
}

/** Times of at most `most` (+ 1) ticks. */
export function ticksOf(view, most) {
    const step = stepFor(view.to - view.from, Math.max(1, most));
    const ticks = [];
    for (let i = Math.ceil(view.from / step); i * step <= view.to && ticks.length <= most; i++) {
        ticks.push(i * step);
    }
    return ticks;
}

/** A tick's label; `step` decides how exact it is. */
export function tickLabel(time, step) {
    if (time === 0) return "0";
    const digits = (unit) => Math.min(6, Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9)));
    const inUnit = (unit, name) => `${(time / unit).toFixed(digits(unit))} ${name}`;
    if (step < 1 && time < 1000) return step < 0.001 ? inUnit(0.001, "µs") : inUnit(1, "ms");
    if (time < 1000) return inUnit(1, "ms");
    if (time < 60000) return inUnit(1000, "s");
    const whole = Math.floor(time / 1000);
    const two = (n) => String(n).padStart(2, "0");
    const seconds = step < 1000 ? two((time / 1000 % 60).toFixed(digits(1000))) : two(whole % 60);
    const minutes = Math.floor(whole / 60);
    if (minutes < 60) return `${minutes}:${seconds}`;
    const days = Math.floor(minutes / 1440);
    const clock = `${Math.floor(minutes / 60) % 24}:${two(minutes % 60)}:${seconds}`;
    return days > 0 ? `${days}d ${clock}` : clock;
}

const LONG_SILENT = 3600000;

/** Where the axis ends: at what ended last, or now while spans run. A trace that has been silent
 *  for an hour and much longer than it worked was left open: it does not stretch the axis. */
export function axisEnd(tree, now) {
    const known = tree.end - tree.start;
    if (tree.total.running === 0) return known;
    const open = Math.max(known, now - tree.start);
    return open > LONG_SILENT && open > 10 * known ? Math.max(known * 1.25, 1000) : open;
}
