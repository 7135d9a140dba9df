// Figures and lists of the overview; each leads into the list of traces with its filter.
import {el, statusBadge} from "./dom.js";
import {shortened} from "./conversation_text.js";
import {compact, cost, count, duration, percent, UNKNOWN} from "./format.js";
import {errorRate, modelName} from "./overview_data.js";
import {href, pathOf} from "./router.js";
import {fullTime, shortTime} from "./time.js";

function tile(label, figure, ...below) {
    return el(
        "div",
        {class: "tile"},
        el("dt", {}, label),
        el(
            "dd",
            {},
            el("span", {class: "figure"}, figure),
            el("span", {class: "below muted"}, below),
        ),
    );
}

export function tiles(data) {
    const t = data.totals;
    const link = (text, query) => el("a", {href: href("/traces", {...data.time, ...query})}, text);
    const told = t.tokens_input !== null || t.tokens_output !== null;
    const cached =
        t.tokens_input > 0 &&
        t.tokens_cache_read > 0 &&
        el("div", {}, `${percent(t.tokens_cache_read, t.tokens_input)} of input cached`);
    return el(
        "dl",
        {class: "tiles"},
        tile(
            "Cost",
            cost(t.cost),
            data.traces > 0 && t.cost !== null && `${cost(t.cost / data.traces)} a trace`,
        ),
        tile(
            "Tokens",
            told ? compact((t.tokens_input ?? 0) + (t.tokens_output ?? 0)) : UNKNOWN,
            told && `${compact(t.tokens_input)} in, ${compact(t.tokens_output)} out`,
            cached,
        ),
        tile(
            "Calls",
            compact(t.calls),
            "in ",
            link(data.traces === 1 ? "1 trace" : `${compact(data.traces)} traces`, {}),
        ),
        tile(
            "Error rate",
            percent(errorRate(t.of_models), 1),
            link(`${count(t.of_models.errors)} failed`, {status: "error"}),
        ),
        tile("Latency", duration(t.latency_p50_ms), `p95 ${duration(t.latency_p95_ms)}`),
        tile("Time to first token", duration(t.ttft_p50_ms), `p95 ${duration(t.ttft_p95_ms)}`),
    );
}

function section(title, more, table) {
    return el(
        "section",
        {class: "panel"},
        el("div", {class: "panel-head"}, el("h2", {}, title), more),
        el("div", {class: "scroll-x"}, table),
    );
}

function table(heads, rows) {
    return el(
        "table",
        {class: "records"},
        el(
            "thead",
            {},
            el(
                "tr",
                {},
                heads.map(([text, number]) =>
                    el("th", {scope: "col", class: number ? "number" : null}, text),
                ),
            ),
        ),
        el(
            "tbody",
            {},
            rows.length
                ? rows.map((cells) =>
                      el(
                          "tr",
                          {},
                          cells.map((c, i) => el("td", {class: heads[i][1] ? "number" : "cut"}, c)),
                      ),
                  )
                : el(
                      "tr",
                      {},
                      el("td", {colspan: heads.length, class: "muted"}, "None in this time."),
                  ),
        ),
    );
}

export function modelTable(data) {
    const groups = data.models
        .filter((g) => g.calls > 0 || g.cost > 0)
        .sort((a, b) => (b.cost ?? 0) - (a.cost ?? 0) || b.calls - a.calls);
    return section(
        "Models",
        null,
        table(
            [
                ["Model"],
                ["Cost", 1],
                ["Calls", 1],
                ["Tokens", 1],
                ["Errors", 1],
                ["p50", 1],
                ["p95", 1],
                ["TTFT p50", 1],
            ],
            groups.slice(0, 12).map((g) => [
                g.model === null
                    ? modelName(null)
                    : el(
                          "a",
                          {
                              href: href("/traces", {...data.time, model: g.model}),
                              title: `${shortened(g.model, 500)} – traces with this in a model’s name`,
                          },
                          shortened(g.model, 60),
                      ),
                cost(g.cost),
                count(g.calls),
                compact((g.tokens_input ?? 0) + (g.tokens_output ?? 0)),
                percent(errorRate(g), 1),
                duration(g.latency_p50_ms),
                duration(g.latency_p95_ms),
                duration(g.ttft_p50_ms),
            ]),
        ),
    );
}

export function userTable(data) {
    return section(
        "Users",
        el("a", {href: href("/users")}, "All users"),
        table(
            [["User"], ["Cost", 1], ["Traces", 1], ["Calls", 1], ["Tokens", 1], ["Errors", 1]],
            data.users.map((g) => [
                el(
                    "a",
                    {
                        href: href("/traces", {...data.time, user_id: g.user_id}),
                        title: shortened(g.user_id, 500),
                    },
                    shortened(g.user_id, 60),
                ),
                cost(g.cost),
                count(g.traces),
                count(g.calls),
                compact((g.tokens_input ?? 0) + (g.tokens_output ?? 0)),
                count(g.errors),
            ]),
        ),
    );
}

export function traceTable(title, traces, sort, time) {
    return section(
        title,
        el("a", {href: href("/traces", {...time, sort})}, "More"),
        table(
            [["Trace"], ["Status"], ["Time"], ["Duration", 1], ["Cost", 1]],
            traces.map((t) => [
                el(
                    "a",
                    {href: href(pathOf("trace", t.trace_id)), title: shortened(t.name, 500)},
                    shortened(t.name, 80),
                ),
                statusBadge(t.status),
                el(
                    "time",
                    {datetime: t.start_time, title: fullTime(t.start_time)},
                    shortTime(t.start_time),
                ),
                duration(t.duration_ms),
                t.total_cost ? cost(t.total_cost) : UNKNOWN,
            ]),
        ),
    );
}
