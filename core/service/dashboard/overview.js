// Cost, tokens, calls, errors and latency over time by model; top models and users; slowest and
// dearest traces. Everything leads into the list of traces with its filter.
import {Chart} from "./chart.js";
import {durationSteps} from "./chart_scale.js";
import {button, el, emptyState, errorState, replace, skeleton} from "./dom.js";
import {compact, cost, duration, percent} from "./format.js";
import {errorRate, readOverview, sumSeries, topModels, valueSeries} from "./overview_data.js";
import {modelTable, tiles, traceTable, userTable} from "./overview_lists.js";
import {rangePicker} from "./range.js";
import {go} from "./router.js";
import {RANGES, rangeOf} from "./time.js";

const PRESETS = RANGES.filter((r) => !["15m", "1h"].includes(r.id));
const USUAL = "7d";
const AGAIN_MS = 30000;

class OverviewPage {
    constructor(root, request) {
        this.root = root;
        this.signal = request.signal;
        this.percentile = "p95";
        this.picker = rangePicker((q) => go("/overview", q), PRESETS);
        this.body = el("div", {class: "overview"}, skeleton(10));
        const pick = (from, to) =>
            go("/traces", {from: new Date(from).toISOString(), to: new Date(to).toISOString()});
        const which = () => this.percentileButtons();
        this.charts = {
            cost: new Chart({title: "Cost", kind: "columns", format: cost, pick}),
            calls: new Chart({title: "Calls", kind: "columns", format: compact, pick}),
            tokens: new Chart({title: "Tokens", kind: "columns", format: compact, pick}),
            errors: new Chart({
                title: "Error rate",
                kind: "lines",
                format: (v) => percent(v, 1),
                pick,
            }),
            latency: new Chart({
                title: "Latency",
                kind: "lines",
                format: duration,
                stepsOf: durationSteps,
                pick,
                controls: which(),
            }),
            ttft: new Chart({
                title: "Time to first token",
                kind: "lines",
                format: duration,
                stepsOf: durationSteps,
                pick,
                controls: which(),
            }),
        };
        replace(
            root,
            el("div", {class: "page-head"}, el("h1", {}, "Overview"), this.picker.button),
            this.picker.panel,
            this.body,
        );
        this.again = setInterval(() => {
            if (document.visibilityState === "visible") this.read(true);
        }, AGAIN_MS);
    }

    percentileButtons() {
        return el(
            "div",
            {class: "segments small", role: "group", "aria-label": "Percentile"},
            ["p50", "p95"].map((p) =>
                el(
                    "button",
                    {
                        type: "button",
                        class: "segment",
                        dataset: {percentile: p},
                        "aria-pressed": String(p === this.percentile),
                        onclick: () => this.setPercentile(p),
                    },
                    p,
                ),
            ),
        );
    }

    setPercentile(p) {
        this.percentile = p;
        for (const b of this.body.querySelectorAll("[data-percentile]"))
            b.setAttribute("aria-pressed", String(b.dataset.percentile === p));
        this.fillCharts();
    }

    update(request) {
        this.range = rangeOf(request.query, USUAL);
        this.query = request.query;
        this.picker.set(this.range);
        this.controller?.abort();
        this.controller = new AbortController();
        this.signal.addEventListener("abort", () => this.controller.abort(), {once: true});
        this.data = null;
        return this.read(false);
    }

    async read(quiet) {
        if (quiet && this.range.id !== "custom") this.range = rangeOf(this.query, USUAL);
        const {signal} = this.controller;
        this.body.setAttribute("aria-busy", "true");
        try {
            const data = await readOverview(this.range, signal);
            const first = !this.data;
            this.data = data;
            this.show(first);
        } catch (error) {
            if (error.name === "AbortError") return;
            if (!quiet || !this.data)
                replace(
                    this.body,
                    errorState(error, () => this.read(false)),
                );
        } finally {
            this.body.removeAttribute("aria-busy");
        }
    }

    show(first) {
        const {data} = this;
        if (data.traces === 0 && data.totals.spans === 0) {
            replace(
                this.body,
                emptyState(
                    "Nothing in this time",
                    el(
                        "p",
                        {},
                        "Choose a longer time, or trace a program: ",
                        el("code", {}, "llm-trace python app.py"),
                    ),
                ),
            );
            this.data = null;
            return;
        }
        const lists = [
            modelTable(data),
            userTable(data),
            traceTable("Slowest traces", data.slowest, "duration", data.time),
            traceTable("Dearest traces", data.dearest, "cost", data.time),
        ];
        // What has the focus stays in the document while figures are read again.
        if (first || !this.tiles?.isConnected) {
            this.tiles = el("div", {}, tiles(data));
            this.lists = el("div", {class: "panels"}, lists);
            replace(
                this.body,
                this.tiles,
                el(
                    "div",
                    {class: "charts"},
                    Object.values(this.charts).map((c) => c.element),
                ),
                this.lists,
            );
        } else if (
            !this.tiles.contains(document.activeElement) &&
            !this.lists.contains(document.activeElement)
        ) {
            replace(this.tiles, tiles(data));
            replace(this.lists, lists);
        }
        this.fillCharts();
    }

    fillCharts() {
        if (!this.data) return;
        const {over, times, width, models} = this.data;
        const top = topModels(models);
        const sums = (value, format) =>
            sumSeries(over, times, top, value).map((s) => ({
                ...s,
                total: format(s.values.reduce((a, b) => a + b, 0)),
            }));
        const values = (value) => valueSeries(over, times, top, value);
        const set = (name, series) => this.charts[name].set({times, width, series});
        set(
            "cost",
            sums((g) => g.cost, cost),
        );
        set(
            "calls",
            sums((g) => g.calls, compact),
        );
        set(
            "tokens",
            sums((g) => (g.tokens_input ?? 0) + (g.tokens_output ?? 0), compact),
        );
        set("errors", values(errorRate));
        set(
            "latency",
            values((g) => g[`latency_${this.percentile}_ms`]),
        );
        set(
            "ttft",
            values((g) => g[`ttft_${this.percentile}_ms`]),
        );
    }

    leave() {
        clearInterval(this.again);
        for (const c of Object.values(this.charts)) c.release();
    }
}

export const page = {
    title: () => "Overview",
    show(root, request) {
        const view = new OverviewPage(root, request);
        view.update(request);
        return {
            update: (r) => {
                view.update(r);
            },
            leave: () => view.leave(),
        };
    },
};
