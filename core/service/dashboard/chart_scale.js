// Numbers to places: steps of an axis, times along the other. No document is needed here.

/** 3 to 6 steps from 0 to at least max, at numbers that read well. */
export function steps(max, wanted = 4) {
    if (!(max > 0)) return [0, 1];
    const rough = max / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].find((n) => n * power >= rough * 0.999) * power;
    const all = [];
    for (let i = 0; i * step < max * 1.0001 || i < 2; i++)
        all.push(Number((i * step).toPrecision(12)));
    if (all.at(-1) < max) all.push(Number((all.length * step).toPrecision(12)));
    return all;
}

/** Steps of durations in ms, where 60 s is a better number than 50 s. */
export function durationSteps(max, wanted = 4) {
    if (!(max > 60e3)) return steps(max, wanted);
    const unit = max > 3600e3 ? 3600e3 : 60e3;
    return steps(max / unit, wanted).map((v) => v * unit);
}

export const HOUR = 3600e3;
export const DAY = 24 * HOUR;

/** Starts of the buckets (ms, UTC) that cover from..to. At most `most`: the last ones. */
export function bucketTimes(from, to, width, most = 1000) {
    const end = Math.max(from, to);
    const first = Math.max(Math.floor(from / width), Math.floor(end / width) - most + 1);
    const times = [];
    for (let i = first; i * width <= end; i++) times.push(i * width);
    return times;
}

const hour = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit"});
const dayHour = new Intl.DateTimeFormat("en-GB", {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
});
const day = new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short", timeZone: "UTC"});
const wholeDay = new Intl.DateTimeFormat("en-GB", {
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
    timeZone: "UTC",
});

/** A bucket's name on the axis; days are those of UTC, hours those of the person's clock. */
export function bucketLabel(at, width) {
    return width >= DAY ? day.format(at) : hour.format(at);
}

export function bucketTitle(at, width) {
    return width >= DAY
        ? wholeDay.format(at) + " (UTC)"
        : `${dayHour.format(at)}–${hour.format(at + width)}`;
}

/** Which buckets get a label, so that labels of this width do not touch. */
export function labelled(count, room, width = 56) {
    const each = Math.max(1, Math.ceil(count / Math.max(1, Math.floor(room / width))));
    return Array.from({length: count}, (_, i) => i).filter((i) => (count - 1 - i) % each === 0);
}

/** Moves labels (sorted by y) apart by at least `gap`, within top..bottom. */
export function spread(labels, gap, top, bottom) {
    const sorted = [...labels].sort((a, b) => a.y - b.y);
    let last = top - gap;
    for (const l of sorted) last = l.y = Math.max(l.y, last + gap);
    let next = bottom + gap;
    for (const l of sorted.reverse()) next = l.y = Math.min(l.y, next - gap);
    return labels;
}
