// A chart of values over time by series, drawn by DOM calls as inline SVG. It can be read without
// colour: columns have patterns, lines have dashes, markers and their names at the end; and as a
// table. Arrow keys walk over the times (a slider to a screen reader), enter opens one.
import {el, icon, perFrame, replace, svg} from "./dom.js";
import {shortened} from "./conversation_text.js";
import {MARKERS, patterns, SERIES, swatch} from "./chart_marks.js";
import {bucketLabel, bucketTitle, labelled, spread, steps} from "./chart_scale.js";

const TOP = 8;
const BOTTOM = 22;
const LABEL_ROOM = 118; // right of lines, for their names
const LABELS_FROM = 430; // px of width
const CHARACTER = 6.8; // px, of a tick
let number = 0;

export class Chart {
    /**
     * kind "columns" (stacked) or "lines"; format(value) and stepsOf(max) of its axis;
     * pick(from, to) when a time is opened (ms); controls: a node beside the title.
     */
    constructor({title, kind, format, stepsOf = steps, pick = null, controls = null}) {
        Object.assign(this, {title, kind, format, stepsOf, pick});
        this.prefix = "chart" + ++number;
        this.at = -1;
        this.asTable = false;
        this.data = {times: [], width: 0, series: []};
        this.legend = el("ul", {class: "legend"});
        this.plot = el("div", {
            class: "plot",
            tabindex: "0",
            role: "slider",
            "aria-label": title + " over time",
            "aria-valuemin": 0,
            onkeydown: (e) => this.key(e),
            onpointermove: (e) => this.hover(e),
            onpointerleave: (e) => e.pointerType !== "touch" && this.show(-1),
            onblur: () => this.show(-1),
            onclick: (e) => this.press(e),
            onfocus: () => this.focused(),
        });
        this.tip = el("div", {class: "tip", hidden: true});
        this.table = el("div", {
            class: "chart-table",
            hidden: true,
            tabindex: "0",
            role: "region",
            "aria-label": title + " as a table",
        });
        this.toggle = el(
            "button",
            {
                type: "button",
                class: "button quiet small",
                "aria-pressed": "false",
                onclick: () => this.switchView(),
            },
            icon("table"),
            el("span", {class: "hidden-text"}, `${title} as a table`),
        );
        this.toggle.title = "As a table";
        this.element = el(
            "figure",
            {class: "chart"},
            el("figcaption", {}, el("h2", {}, title), controls, this.toggle),
            this.legend,
            // Not in the plot: the legend needs them too where the plot is not shown.
            kind === "columns" && svg("svg", {class: "hidden-text"}, patterns(this.prefix)),
            el("div", {class: "plot-place"}, this.plot, this.tip),
            this.table,
        );
        this.redraw = perFrame(() => this.draw());
        this.resized = new ResizeObserver(this.redraw);
        this.resized.observe(this.plot);
    }

    release() {
        this.resized.disconnect();
    }

    /**
     * times: starts in ms; width: ms of each; series: [{name, values, total}] with null where
     * nothing is known.
     */
    set(data) {
        this.data = data;
        this.at = Math.min(this.at, data.times.length - 1);
        replace(
            this.legend,
            data.series.length > 1 || data.series[0]?.name
                ? data.series.map((s, i) =>
                      el(
                          "li",
                          {},
                          swatch(this.kind, i % SERIES, this.prefix),
                          el("span", {class: "cut", title: shortened(s.name, 500)}, shortened(s.name, 60)),
                          s.total !== undefined && el("span", {class: "muted"}, s.total),
                      ),
                  )
                : null,
        );
        this.plot.setAttribute("aria-valuemax", Math.max(0, data.times.length - 1));
        this.plot.setAttribute("aria-valuenow", 0);
        this.plot.setAttribute("aria-valuetext", "Arrow keys read the values");
        this.draw();
        if (this.asTable) this.fillTable();
    }

    geometry() {
        const width = Math.max(200, this.plot.clientWidth);
        const height = Math.max(120, this.plot.clientHeight);
        const {times, series} = this.data;
        const sums = times.map((_, i) =>
            this.kind === "columns"
                ? series.reduce((sum, s) => sum + (s.values[i] ?? 0), 0)
                : Math.max(0, ...series.map((s) => s.values[i] ?? 0)),
        );
        const ticks = this.stepsOf(Math.max(0, ...sums));
        const labels = ticks.map((v) => this.format(v).replace(/\.0+(?!\d)/, ""));
        const left = 10 + Math.max(...labels.map((l) => l.length)) * CHARACTER;
        const right =
            this.kind === "lines" && width >= LABELS_FROM && series.length > 1 ? LABEL_ROOM : 8;
        const room = width - left - right;
        const band = room / Math.max(1, times.length);
        const max = ticks.at(-1);
        return {
            width,
            height,
            base: height - BOTTOM,
            left,
            right,
            room,
            band,
            ticks,
            labels,
            x: (i) => left + band * (i + 0.5),
            y: (v) => TOP + (height - TOP - BOTTOM) * (1 - v / max),
        };
    }

    draw() {
        if (this.asTable || !this.plot.isConnected) return;
        const g = (this.g = this.geometry());
        const {times, width: bucket} = this.data;
        const axis = g.ticks.map((v, i) => [
            svg("path", {
                class: i ? "grid" : "grid zero",
                d: `M${g.left} ${Math.round(g.y(v)) + 0.5}H${g.width - g.right}`,
            }),
            svg(
                "text",
                {class: "tick", x: g.left - 6, y: g.y(v) + 4, "text-anchor": "end"},
                g.labels[i],
            ),
        ]);
        const names = labelled(times.length, g.room).map((i) =>
            svg(
                "text",
                {
                    class: "tick",
                    x: Math.max(g.left + 8, Math.min(g.x(i), g.width - 22)),
                    y: g.base + 15,
                    "text-anchor": "middle",
                },
                bucketLabel(times[i], bucket),
            ),
        );
        this.cursor = svg("path", {class: "cursor", d: ""});
        replace(
            this.plot,
            svg(
                "svg",
                {width: g.width, height: g.height, "aria-hidden": "true", focusable: "false"},
                axis,
                names,
                this.cursor,
                this.kind === "columns" ? this.columns(g) : this.lines(g),
            ),
        );
        this.show(this.at);
    }

    columns(g) {
        const wide = Math.max(1, Math.min(34, g.band * 0.72));
        return this.data.times.map((_, i) => {
            let sum = 0;
            return this.data.series.map((s, k) => {
                const value = s.values[i] ?? 0;
                if (value <= 0) return null;
                const bottom = Math.min(g.base, g.y(sum));
                sum += value;
                const top = g.y(sum);
                return svg("rect", {
                    class: `column series-${(k % SERIES) + 1}`,
                    x: g.x(i) - wide / 2,
                    y: top,
                    width: wide,
                    height: Math.max(0.75, bottom - top),
                    fill: `url(#${this.prefix}-${k % SERIES})`,
                });
            });
        });
    }

    lines(g) {
        const ends = [];
        const marks = this.data.times.length <= 60;
        const drawn = this.data.series.map((s, k) => {
            let path = "";
            let gap = true;
            let last = null;
            const points = [];
            s.values.forEach((v, i) => {
                if (v === null || v === undefined) {
                    gap = true;
                    return;
                }
                const [x, y] = [g.x(i), g.y(v)];
                path += `${gap ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
                gap = false;
                last = [x, y];
                if (marks) points.push(MARKERS[k % SERIES](x, y));
            });
            if (!last) return null;
            if (!marks) points.push(MARKERS[k % SERIES](...last));
            ends.push({y: last[1], k, name: s.name});
            return svg(
                "g",
                {class: `series-${(k % SERIES) + 1}`},
                svg("path", {class: `line dash-${(k % SERIES) + 1}`, d: path}),
                svg("path", {class: "marker", d: points.join("")}),
            );
        });
        if (g.right < LABEL_ROOM) return drawn;
        spread(ends, 15, TOP + 6, g.base);
        return [
            drawn,
            ends.map((e) =>
                svg(
                    "text",
                    {
                        class: `end-label series-${(e.k % SERIES) + 1}`,
                        x: g.width - LABEL_ROOM + 8,
                        y: e.y + 4,
                    },
                    shortened(e.name, 17),
                ),
            ),
        ];
    }

    indexAt(event) {
        if (!this.g || this.data.times.length === 0) return -1;
        const x = event.clientX - this.plot.getBoundingClientRect().left;
        return Math.max(
            0,
            Math.min(this.data.times.length - 1, Math.floor((x - this.g.left) / this.g.band)),
        );
    }

    hover(event) {
        this.show(this.indexAt(event));
    }

    /** A finger reads the values first; a second tap on the same time opens it. */
    press(event) {
        const at = this.indexAt(event);
        const opens = event.pointerType !== "touch" || this.tapped === at;
        this.tapped = at;
        this.show(at);
        if (opens) this.open();
    }

    focused() {
        if (this.at < 0 && this.plot.matches(":focus-visible"))
            this.show(this.data.times.length - 1);
    }

    key(event) {
        const last = this.data.times.length - 1;
        const to = {
            ArrowRight: this.at + 1,
            ArrowUp: this.at + 1,
            ArrowLeft: this.at - 1,
            ArrowDown: this.at - 1,
            Home: 0,
            End: last,
        }[event.key];
        if (to !== undefined && last >= 0) this.show(Math.max(0, Math.min(last, to)));
        else if (event.key === "Enter") this.open();
        else if (event.key === "Escape") this.show(-1);
        else return;
        event.preventDefault();
    }

    open() {
        const {times, width} = this.data;
        if (this.at >= 0 && this.pick) this.pick(times[this.at], times[this.at] + width);
    }

    show(at) {
        this.at = at;
        const {times, width, series} = this.data;
        this.tip.hidden = at < 0 || at >= times.length;
        if (this.tip.hidden) {
            this.cursor?.setAttribute("d", "");
            return;
        }
        const x = this.g.x(at);
        this.cursor?.setAttribute("d", `M${Math.round(x) + 0.5} ${TOP}V${this.g.base}`);
        const known = series
            .map((s, k) => ({k, name: s.name, value: s.values[at]}))
            .filter((s) => s.value !== null && s.value !== undefined);
        const rows = this.kind === "columns" ? known.filter((s) => s.value > 0) : known;
        const sum =
            this.kind === "columns" && rows.length > 1
                ? rows.reduce((a, s) => a + s.value, 0)
                : null;
        const title = bucketTitle(times[at], width);
        replace(
            this.tip,
            el("strong", {}, title),
            rows.length === 0 && el("span", {class: "muted"}, "nothing"),
            rows.map((s) =>
                el(
                    "div",
                    {class: "tip-row"},
                    swatch(this.kind, s.k % SERIES, this.prefix),
                    el("span", {class: "cut"}, shortened(s.name || this.title, 40)),
                    el("span", {class: "number"}, this.format(s.value)),
                ),
            ),
            sum !== null &&
                el(
                    "div",
                    {class: "tip-row tip-sum"},
                    el("span", {}),
                    el("span", {}, "Together"),
                    el("span", {class: "number"}, this.format(sum)),
                ),
        );
        this.tip.style.setProperty(
            "left",
            `${Math.max(0, Math.min(x + 12, this.g.width - this.tip.offsetWidth))}px`,
        );
        if (x + 12 + this.tip.offsetWidth > this.g.width)
            this.tip.style.setProperty("left", `${Math.max(0, x - 12 - this.tip.offsetWidth)}px`);
        this.plot.setAttribute("aria-valuenow", at);
        this.plot.setAttribute(
            "aria-valuetext",
            `${title}: ` +
                (rows.length === 0
                    ? "nothing"
                    : rows
                          .map((s) => `${s.name || this.title} ${this.format(s.value)}`)
                          .join(", ")),
        );
    }

    switchView() {
        this.asTable = !this.asTable;
        this.toggle.setAttribute("aria-pressed", String(this.asTable));
        this.table.hidden = !this.asTable;
        this.plot.parentNode.hidden = this.asTable;
        if (this.asTable) this.fillTable();
        else this.draw();
    }

    fillTable() {
        const {times, width, series} = this.data;
        const rows = times
            .map((at, i) => ({at, values: series.map((s) => s.values[i])}))
            .filter((r) => r.values.some((v) => v))
            .reverse();
        replace(
            this.table,
            el(
                "table",
                {class: "records"},
                el("caption", {class: "hidden-text"}, `${this.title} over time`),
                el(
                    "thead",
                    {},
                    el(
                        "tr",
                        {},
                        el("th", {scope: "col"}, "Time"),
                        series.map((s) =>
                            el(
                                "th",
                                {scope: "col", class: "number", title: shortened(s.name, 500)},
                                shortened(s.name || this.title, 24),
                            ),
                        ),
                    ),
                ),
                el(
                    "tbody",
                    {},
                    rows.map((r) =>
                        el(
                            "tr",
                            {},
                            el("th", {scope: "row"}, bucketTitle(r.at, width)),
                            r.values.map((v) =>
                                el(
                                    "td",
                                    {class: "number"},
                                    v === null || v === undefined ? "–" : this.format(v),
                                ),
                            ),
                        ),
                    ),
                ),
            ),
        );
    }
}
