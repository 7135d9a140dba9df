// What the dashboard's modules work out without a browser. MODULES names a copy of them that node
// takes for ES modules.
import assert from "node:assert/strict";
import test from "node:test";

const load = (name) => import(`${process.env.MODULES}/${name}`);
const format = await load("format.js");
const time = await load("time.js");
const scale = await load("chart_scale.js");
const filters = await load("traces_filters.js");
const columns = await load("traces_columns.js");
const dom = await load("dom.js");
const overview = await load("overview_data.js");
const {eventParser} = await load("api.js");
const {href, pathOf} = await load("router.js");
const {projectOf} = await load("key.js");
const {TraceList} = await load("traces_list.js");

test("figures are short, and what is unknown is no zero", () => {
    const cases = [
        [
            format.duration,
            [
                [null, "–"],
                [0, "0 ms"],
                [0.42, "0.4 ms"],
                [31, "31 ms"],
                [999.6, "1.00 s"],
                [1340, "1.34 s"],
                [59940, "59.9 s"],
                [125000, "2 m 05 s"],
                [3 * 3600e3 + 4 * 60e3, "3 h 04 m"],
                [51 * 3600e3, "2 d 3 h"],
                [Infinity, "Infinity d"],
            ],
        ],
        [
            format.compact,
            [
                [undefined, "–"],
                [0, "0"],
                [999, "999"],
                [1234, "1.2K"],
                [34567, "35K"],
                [999960, "1.0M"],
                [2.5e9, "2.5B"],
                [1e300, "1.0e300"],
            ],
        ],
        [
            format.cost,
            [
                [null, "–"],
                [0, "$0"],
                [0.0000098, "$0.0000098"],
                [0.00067, "$0.00067"],
                [0.5, "$0.50"],
                [0.0123, "$0.012"],
                [3.2, "$3.20"],
                [1234.5, "$1,235"],
                [999999.4, "$999,999"],
                [999999.5, "$1.0M"],
                [1234567, "$1.2M"],
                [1e300, "$1.0e300"],
            ],
        ],
        [
            format.bytes,
            [
                [null, "–"],
                [512, "512 B"],
                [4040, "4.0 KB"],
                [5.2e6, "5.2 MB"],
            ],
        ],
        [
            format.count,
            [
                [1234567, "1,234,567"],
                [null, "–"],
            ],
        ],
    ];
    for (const [f, pairs] of cases)
        for (const [value, text] of pairs) assert.equal(f(value), text, `${f.name}(${value})`);
    assert.equal(format.percent(3, 40), "7.5 %");
    assert.equal(format.percent(1, 100000), "<0.1 %");
    assert.equal(format.percent(1, 0), "–");
    assert.equal(format.plural(1, "trace"), "1 trace");
    assert.equal(format.plural(2000, "trace"), "2,000 traces");
    assert.equal(format.cut("abcdef", 4), "abc…");
});

test("a time range is a preset or two times", () => {
    const now = Date.parse("2026-01-02T12:00:00Z");
    assert.equal(
        time.rangeOf(new URLSearchParams("range=6h"), "all", now).from,
        "2026-01-02T06:00:00.000Z",
    );
    assert.deepEqual(time.rangeOf(new URLSearchParams(""), "all", now), {
        id: "all",
        from: null,
        to: null,
        label: "All time",
    });
    assert.equal(time.rangeOf(new URLSearchParams("range=nonsense"), "7d", now).id, "7d");
    const own = time.rangeOf(
        new URLSearchParams({from: "2026-01-01T00:00:00+01:00", to: "soon"}),
        "7d",
        now,
    );
    assert.equal(own.id, "custom");
    assert.equal(own.from, "2025-12-31T23:00:00.000Z");
    assert.equal(own.to, null);
    assert.equal(time.ago("2026-01-02T11:57:00Z", now), "3 min ago");
    assert.equal(time.shortTime(null), "–");
});

test("filters read what the URL says and write it back", () => {
    const query = "q=a+b&status=error&tags=x%2Cy&sort=cost&order=asc&range=24h";
    const state = filters.readState(new URLSearchParams(query));
    assert.deepEqual(state.filters, {q: "a b", status: "error", tags: "x,y"});
    assert.equal(href("/traces", filters.linkQuery(state)), "#/traces?" + query);
    assert.equal(
        filters.readState(new URLSearchParams("sort=nonsense&order=x")).sort,
        "start_time",
    );
    assert.ok(!filters.isFiltered(filters.readState(new URLSearchParams("sort=cost"))));
    for (const [text, ms] of [
        ["2s", 2000],
        ["1.5 s", 1500],
        ["300", 300],
        ["300ms", 300],
        ["2m", 120000],
        ["soon", null],
        ["-1s", null],
        ["", null],
    ])
        assert.equal(filters.parseDuration(text), ms, text);
});

test("what arrives is held against the filters", () => {
    const trace = {
        name: "Research agent",
        status: "ok",
        user_id: "ada",
        session_id: null,
        tags: ["prod"],
        duration_ms: 900,
        start_time: "2026-01-02T00:00:00Z",
    };
    const may = (query) => filters.mayMatch(filters.readState(new URLSearchParams(query)), trace);
    assert.ok(may(""));
    assert.ok(may("name=AGENT&status=ok&user_id=ada&tags=eval,prod"));
    for (const query of [
        "name=writer",
        "status=error",
        "user_id=grace",
        "session_id=s",
        "tags=eval",
        "min_duration_ms=1000",
        "from=2026-01-03T00:00:00Z",
        "to=2026-01-02T00:00:00Z",
    ])
        assert.ok(!may(query), query);
    assert.ok(may("q=unknown"), "the service alone knows");
    assert.ok(!filters.knowsAll(filters.readState(new URLSearchParams("q=x"))));
});

test("axes have few steps at good numbers", () => {
    for (const [max, wanted] of [
        [0, [0, 1]],
        [3, [0, 1, 2, 3]],
        [0.0042, [0, 0.002, 0.004, 0.006]],
        [97, [0, 25, 50, 75, 100]],
    ])
        assert.deepEqual(scale.steps(max), wanted);
    for (let i = 1; i < 3000; i++) {
        const all = scale.steps(i * 1.37 ** (i % 40));
        assert.ok(
            all.length >= 2 && all.length <= 7 && all.at(-1) >= i * 1.37 ** (i % 40) * 0.9999,
            String(i),
        );
    }
    assert.equal(scale.durationSteps(4 * 60e3).at(1) % 60e3, 0);
});

test("buckets cover the range, and labels do not touch", () => {
    const {HOUR} = scale;
    assert.deepEqual(scale.bucketTimes(HOUR * 1.5, HOUR * 3.5, HOUR), [HOUR, 2 * HOUR, 3 * HOUR]);
    assert.equal(scale.bucketTimes(0, HOUR * 1e6, HOUR, 500).length, 500);
    const at = scale.labelled(24, 300, 56);
    assert.ok(at.length <= 5 && at.includes(23));
    const labels = scale
        .spread([{y: 10}, {y: 11}, {y: 90}, {y: 91}], 14, 0, 100)
        .map((l) => l.y)
        .sort((a, b) => a - b);
    for (let i = 1; i < labels.length; i++) assert.ok(labels[i] - labels[i - 1] >= 14);
    assert.ok(labels.at(-1) <= 100);
});

test("a rate of errors is none above all", () => {
    // A group's errors are those of all its spans, of which one alone may be a call.
    const groups = [
        {model: "m", spans: 4, calls: 1, errors: 3},
        {model: null, spans: 10, calls: 0, errors: 9},
    ];
    assert.equal(overview.errorRate(groups[0]), 0.75);
    assert.equal(overview.errorRate({spans: 0, errors: 0}), null);
    const {of_models} = overview.totals(groups, {});
    assert.deepEqual(of_models, {spans: 4, errors: 3});
});

test("totals are of whole hours", () => {
    assert.deepEqual(
        overview.wholeHours({from: "2026-01-02T03:04:05.678Z", to: "2026-01-02T04:00:00.001Z"}),
        {from: "2026-01-02T03:00:00.000Z", to: "2026-01-02T05:00:00.000Z"},
    );
    const whole = {from: "2026-01-02T03:00:00.000Z", to: "2026-01-02T04:00:00.000Z"};
    assert.deepEqual(overview.wholeHours(whole), whole);
    assert.deepEqual(overview.wholeHours({from: null, to: null}), {from: null, to: null});
});

test("what is wanted often is done soon, then seldom", (t) => {
    t.mock.timers.enable({apis: ["setTimeout"]});
    let now = 0;
    const done = [];
    const again = dom.paced(() => done.push(now), 1000, 10000, () => now);
    const pass = (until) => {
        for (; now < until; now += 100) {
            t.mock.timers.tick(100);
            again();
        }
    };
    again();
    pass(29000);
    assert.deepEqual(
        done.map((at) => Math.round(at / 1000)),
        [1, 11, 21],
    );
    again.stop();
    again();
    t.mock.timers.tick(60000);
    assert.equal(done.length, 3);
});

test("a tag that holds a comma is no filter", () => {
    assert.ok(filters.filtersByTag("prod"));
    for (const tag of ["a,b", " a", "a ", ""]) assert.ok(!filters.filtersByTag(tag), tag);
});

test("models get series, the rest is one", () => {
    const groups = Array.from({length: 7}, (_, i) => ({
        model: `m${i}`,
        calls: 1,
        cost: i,
        time: "2026-01-02T00:00:00+00:00",
    }));
    const top = overview.topModels([...groups, {model: null, calls: 9, cost: 100}]);
    assert.deepEqual(top, ["m6", "m5", "m4", "m3", "m2"]);
    const times = [Date.parse("2026-01-01T00:00:00Z"), Date.parse("2026-01-02T00:00:00Z")];
    const series = overview.sumSeries(groups, times, top, (g) => g.cost);
    assert.deepEqual(series.at(-1), {name: "others", values: [0, 1]});
    assert.deepEqual(
        overview.valueSeries(groups, times, ["m1"], (g) => g.cost),
        [{name: "m1", values: [null, 1]}],
    );
});

test("columns fill the width they get", () => {
    globalThis.localStorage = {getItem: () => null};
    for (const width of [700, 1280, 1920, 3840]) {
        const chosen = columns.columnsFor(width);
        const sum = columns.widthsOf(chosen, width).reduce((a, b) => a + b);
        assert.ok(
            sum > width - chosen.length &&
                sum <=
                    Math.max(
                        width,
                        chosen.reduce((a, c) => a + c.width, 0),
                    ),
            `${width}: ${sum}`,
        );
    }
    assert.ok(columns.columnsFor(360).length === 6);
});

test("events are read in any pieces", () => {
    const stream =
        ': hello\n\nevent: trace\ndata: {"a":\ndata: 1}\n\nevent: span\r\ndata:x\r\n\r\ndata: y\n\n';
    for (let size = 1; size <= stream.length; size++) {
        const heard = [];
        const parser = eventParser((event, data) => heard.push([event, data]));
        for (let at = 0; at < stream.length; at += size) parser.feed(stream.slice(at, at + size));
        assert.deepEqual(
            heard,
            [
                ["trace", '{"a":\n1}'],
                ["span", "x"],
                ["message", "y"],
            ],
            `pieces of ${size}`,
        );
    }
});

test("ids of any form make one segment of a route", () => {
    assert.equal(
        href(pathOf("trace", "a/b?c#d"), {span: null, x: "1 2"}),
        "#/trace/a%2Fb%3Fc%23d?x=1+2",
    );
    assert.equal(projectOf("project-a-b"), "a-b");
    assert.equal(projectOf("nothing"), null);
});

// A service of `traces` (newest first) behind fetch, and a list over it.
function listOver(traces, {query = "", atTop = true} = {}) {
    globalThis.requestAnimationFrame = (f) => setImmediate(f);
    globalThis.sessionStorage = globalThis.localStorage = {getItem: () => null};
    globalThis.fetch = async (url) => {
        const {cursor, limit, to} = Object.fromEntries(url.searchParams);
        const before = traces.filter((t) => !to || t.start_time < to);
        const from = Number(cursor ?? 0);
        const end = from + Number(limit);
        const body = {traces: before.slice(from, end), has_more: end < before.length};
        body.next_cursor = body.has_more ? String(end) : null;
        return new Response(JSON.stringify(body));
    };
    const state = filters.readState(new URLSearchParams(query));
    const list = new TraceList(state, new AbortController().signal, {
        changed() {},
        updated() {},
        atTop: () => list.top,
    });
    list.top = atTop;
    return list;
}

const frame = () => new Promise((resolve) => setTimeout(resolve, 5));
const stored = (n) =>
    Array.from({length: n}, (_, i) => ({
        trace_id: `t${n - i}`,
        name: "work",
        status: "ok",
        start_time: new Date(Date.UTC(2026, 0, 1) + (n - i) * 250).toISOString(),
    }));
const ordered = (list) =>
    list.rows.every((t, i, all) => i === 0 || t.start_time <= all[i - 1].start_time);

test("what arrives is put in its place, or waits", async () => {
    const all = stored(300);
    const list = listOver(all.filter((_, i) => ![0, 3].includes(i)));
    await list.more();
    list.tell(all[3]);
    list.tell(all[0]);
    await frame();
    assert.deepEqual(list.rows.slice(0, 5), all.slice(0, 5));
    list.top = false;
    const next = {...all[0], trace_id: "next", start_time: "2026-02-01T00:00:00.000Z"};
    list.tell({...next, status: "running"});
    list.tell(next);
    list.tell(all[299]); // older than what was read: it comes with its page
    await frame();
    assert.deepEqual([...list.waiting.values()], [next]);
    list.tell({...all[2], status: "error"});
    await frame();
    assert.equal(list.rows[2].status, "error");
    assert.equal(list.takeWaiting(), false);
    assert.deepEqual(list.rows[0], next);
    assert.ok(ordered(list));
});

test("a flood that nobody looks at is not kept", async () => {
    const list = listOver(stored(60), {atTop: false});
    await list.more();
    for (const t of stored(2000).slice(0, 1500)) list.tell(t);
    await frame();
    assert.ok(list.waiting.size <= 500);
    assert.equal(list.takeWaiting(), true, "the list is to be read anew");
});

test("the far end of a long list is dropped and read again", async () => {
    const all = stored(6000);
    const list = listOver(all);
    while (list.rows.length < 5500) await list.more();
    list.tell({...all[0], trace_id: "new", start_time: "2026-02-01T00:00:00.000Z"});
    await frame();
    assert.equal(list.rows.length, 1000);
    while (!list.ended) await list.more();
    assert.equal(list.rows.length, 6001);
    assert.equal(new Set(list.rows.map((t) => t.trace_id)).size, 6001);
    assert.ok(ordered(list));
});
