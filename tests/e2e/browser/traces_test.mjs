// The list of traces: what it shows, filters and URL, search, sort, scrolling, live arrival, keys.
import {axe, eventually, expect, fitsWidth, run, test} from "./harness.mjs";
import {call, days, span, trace, traceId} from "./seed.mjs";

const DAYS = 400;
const T0 = Date.now();
const HOSTILE =
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u202efdp.exe";
const LONG = "a-very-long-name-".repeat(14);

const rows = (page) => page.locator("tr[data-trace]");
const names = (page) => page.locator(".row-link").allInnerTexts();
const row = (page, n) => page.locator(`tr[data-trace="${traceId(n)}"]`);
const settled = (page) => rows(page).first().waitFor();

// Later than all of the others, each in its own second.
let next = 900000;
function fresh(more = {}, {running = false} = {}) {
    const n = next++;
    const start = Date.now() + (n - 900000);
    return {n, lines: trace(n, start, running ? null : start + 250, {name: `fresh ${n}`, ...more})};
}

function seed(server) {
    return server.ingest([
        ...days(DAYS, {now: T0 - 60000, gap: 30000}),
        ...trace(500001, T0 - 30000, T0 - 29000, {
            name: HOSTILE,
            tags: ["<b>tag</b>", "red, blue"],
            user_id: "<i>user</i>",
        }),
        ...trace(500002, T0 - 28000, T0 - 24800, {
            name: LONG,
            tags: ["special", "x".repeat(100)],
            user_id: "u".repeat(200),
            session_id: "s-special",
        }),
        ...call(500002, 500002, null, T0 - 28000, T0 - 25000, {
            model: "gpt-4o",
            prompt: "The quick brown zebrafish",
            answer: "jumps",
            tokens: [1200, 340],
            cached: 600,
            cost: 0.0123,
            ttft: 210,
        }),
        ...span(500003, 500002, 500002, T0 - 25000, T0 - 24900, {
            span_type: "tool",
            name: "zebra_tool",
        }),
        ...trace(500004, T0 - 20000, null, {name: "still running"}),
        ...call(500004, 500004, null, T0 - 20000, null, {
            model: "gpt-4o-mini",
            prompt: "wait",
            answer: "",
        }),
    ]);
}

test("a row shows all that is known", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "", {width: 1900});
    await settled(page);
    const cells = async (n) =>
        Object.fromEntries(
            await row(page, n)
                .locator("td")
                .evaluateAll((tds) =>
                    tds.map((td) => [
                        td.className.replace("cell-", "").replace(" number", ""),
                        td.innerText.replace(/\s+/g, " ").trim(),
                    ]),
                ),
        );
    const shown = await cells(500002);
    expect.equal(shown.status, "OK");
    expect.equal(shown.model, "gpt-4o");
    expect.equal(shown.duration, "3.20 s");
    expect.equal(shown.ttft, "210 ms");
    expect.equal(shown.tokens, "1.2K → 340");
    expect.equal(shown.cached, "600");
    expect.equal(shown.cost, "$0.012");
    expect.equal(shown.session, "s-special");
    expect.equal((await cells(500004)).status, "Running");
    expect.equal((await cells(500001)).cost, "–");
    const order = await names(page);
    expect.equal(order[0], "still running"); // newest first
});

test("a cell filters by what the service can filter by", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "", {width: 1900});
    await settled(page);
    const comma = row(page, 500001).locator("td.cell-tags", {hasText: "red, blue"});
    expect.deepEqual(await comma.locator("button").allInnerTexts(), ["<b>tag</b>"]);
    expect.equal(await comma.locator("span.cell-tag").innerText(), "red, blue");
    await page.evaluate((id) => (location.hash = `#/trace/${id}`), traceId(500001));
    await page.locator("a.tag").waitFor();
    expect.deepEqual(await page.locator("a.tag").allInnerTexts(), ["<b>tag</b>"]);
    expect.deepEqual(await page.locator("span.tag").allInnerTexts(), ["red, blue"]);
    await page.goBack();
    const model = row(page, 500002).locator("td.cell-model button");
    expect.match(await model.getAttribute("title"), /^gpt-4o – show all with this in a model’s name/);
    await model.click();
    await page.waitForURL(/model=gpt-4o/);
    await row(page, 500004).waitFor(); // gpt-4o-mini
});

test("what a program wrote is text", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base);
    await settled(page);
    expect.ok((await names(page)).includes(HOSTILE.replace("\u202e", "⟦U+202E⟧")));
    expect.equal(await page.title(), "Traces · LLM Tracer");
    expect.equal(await page.locator("main script, main img").count(), 0);
    const link = row(page, 500002).locator(".row-link");
    expect.equal(await link.getAttribute("title"), LONG);
    const [wide, room] = await link.evaluate((a) => [a.offsetWidth, a.closest("td").offsetWidth]);
    expect.ok(wide <= room, "a long name is cut");
});

test("filters are chips and stand in the URL", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/traces?status=error&model=gpt");
    await settled(page);
    const chip = (label) => page.getByRole("button", {name: `Remove filter ${label}`});
    for (const s of await page.locator("td.cell-status").allInnerTexts())
        expect.equal(s.trim(), "Error");
    await chip("Model: gpt").click();
    await page.waitForURL(/#\/traces\?status=error$/);
    await page.keyboard.press("f");
    await page.getByLabel("User").fill("ada");
    await page.getByLabel("Duration").fill("1s");
    await page.keyboard.press("Enter");
    await chip("User: ada").waitFor();
    expect.equal(new URLSearchParams(page.url().split("?")[1]).get("min_duration_ms"), "1000");
    expect.equal(
        await page.getByRole("button", {name: "Errors"}).getAttribute("aria-pressed"),
        "true",
    );
    await page.goBack();
    await chip("User: ada").waitFor({state: "detached"});
    await chip("Status: Error").click();
    await page.waitForURL(/#\/traces$/);
    await page.evaluate(() => {
        location.hash = "#/traces?tags=special";
    });
    await eventually(async () => (await rows(page).count()) === 1, "one trace has the tag");
    await page.evaluate(() => {
        location.hash = "#/traces?name=does-not-exist";
    });
    await page.getByText("No trace matches").waitFor();
    await axe(page);
});

test("a duration that is none is said", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base);
    await settled(page);
    await page.getByRole("button", {name: "Filter", exact: true}).click();
    await page.getByLabel("Duration").fill("soon");
    await page.keyboard.press("Enter");
    await page.getByText("A duration reads 500ms, 2s or 1m.").waitFor();
    expect.ok(page.url().endsWith("/"), page.url());
    await page.keyboard.press("Escape");
    expect.equal(await page.locator(".popover:popover-open").count(), 0);
});

test("search finds words of prompts", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base);
    await settled(page);
    await page.keyboard.press("/");
    await page.keyboard.type("zebrafish");
    await eventually(
        async () => (await rows(page).count()) === 1 && (await row(page, 500002).count()) === 1,
        "the trace is found",
    );
    expect.match(page.url(), /q=zebrafish/);
    expect.equal(await page.evaluate(() => document.activeElement.id), "search");
    await page.keyboard.press("Escape");
    await eventually(async () => (await rows(page).count()) > 5, "all are back");
    expect.ok(!page.url().includes("zebrafish"));
});

test("columns sort, by mouse and keyboard", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "", {width: 1900});
    await settled(page);
    const order = async () =>
        (await page.locator("td.cell-duration span").evaluateAll((l) => l.map((s) => s.title)))
            .map((s) => parseInt(s.replace(/\D/g, ""), 10))
            .filter((n) => !Number.isNaN(n));
    const header = page.getByRole("columnheader", {name: "Duration"});
    await header.getByRole("button").click();
    await page.waitForURL(/sort=duration/);
    await eventually(
        async () =>
            (await order()).length > 10 &&
            (await order()).every((v, i, all) => i === 0 || v <= all[i - 1]),
        "slowest first",
    );
    expect.equal(await header.getAttribute("aria-sort"), "descending");
    await header.getByRole("button").press("Enter");
    await page.waitForURL(/order=asc/);
    await eventually(
        async () =>
            (await order()).length > 10 &&
            (await order()).every((v, i, all) => i === 0 || v >= all[i - 1]),
        "fastest first",
    );
    expect.equal(await header.getAttribute("aria-sort"), "ascending");
    expect.equal(
        await page.getByRole("columnheader", {name: "Time"}).getAttribute("aria-sort"),
        "none",
    );
    for (const [column, sort] of [
        ["Cost", "cost"],
        ["Tokens", "tokens"],
        ["TTFT", "ttft"],
    ]) {
        await page.getByRole("columnheader", {name: column}).getByRole("button").click();
        await page.waitForURL(new RegExp(`sort=${sort}`));
        await settled(page);
    }
});

test("scrolling reads every page and keeps the document small", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base);
    await settled(page);
    const all = new Set();
    await eventually(async () => {
        for (const id of await rows(page).evaluateAll((l) => l.map((r) => r.dataset.trace)))
            all.add(id);
        const atEnd = await page.locator(".list").evaluate((l) => {
            const end = l.scrollTop + l.clientHeight >= l.scrollHeight - 1;
            l.scrollBy(0, l.clientHeight * 0.8);
            return end;
        });
        return atEnd && page.getByText("That is all.").isVisible();
    }, "the end comes");
    expect.ok(all.size >= DAYS + 3, `${all.size} traces were seen`);
    expect.ok((await rows(page).count()) < 80, "rows in the document");
    const index = await rows(page).last().getAttribute("aria-rowindex");
    expect.equal(Number(index), all.size + 1);
});

test("new traces come in at the top, or wait when one reads below", async (t) => {
    const server = await t.server();
    const page = await t.page(server.base);
    await settled(page);
    await page.getByText("Live", {exact: true}).waitFor();
    const one = fresh();
    await server.ingest(one.lines);
    await row(page, one.n).waitFor();
    expect.equal(await rows(page).first().getAttribute("data-trace"), traceId(one.n));
    const list = page.locator(".list");
    await list.evaluate((l) => l.scrollTo(0, 2000));
    const two = fresh();
    const three = fresh();
    await server.ingest([...two.lines, ...three.lines]);
    const pill = page.getByRole("button", {name: "2 new traces"});
    await pill.waitFor();
    expect.equal(await row(page, two.n).count(), 0);
    await pill.click();
    await row(page, three.n).waitFor();
    await row(page, two.n).waitFor();
    expect.equal(await list.evaluate((l) => l.scrollTop), 0);
    await page.keyboard.press("p");
    await page.getByText("Paused").waitFor();
    const four = fresh();
    await server.ingest(four.lines);
    await page.getByRole("button", {name: "1 new trace"}).waitFor();
    expect.equal(await row(page, four.n).count(), 0);
    await page.keyboard.press("p");
    await row(page, four.n).waitFor();
});

test("a running trace's row follows it", async (t) => {
    const server = await t.server();
    const page = await t.page(server.base);
    await settled(page);
    const {n, lines} = fresh({}, {running: true});
    await page.getByText("Live", {exact: true}).waitFor();
    await server.ingest(lines);
    await row(page, n).getByText("Running").waitFor();
    await server.ingest([
        ...call(n, n, null, Date.now(), Date.now() + 20, {
            model: "gpt-4o",
            prompt: "p",
            answer: "a",
            cost: 0.5,
        }),
        {op: "complete_trace", trace_id: traceId(n)},
    ]);
    await row(page, n).getByText("OK").waitFor();
    await row(page, n).getByText("$0.50").waitFor();
});

test("a filtered list takes in what matches alone", async (t) => {
    const server = await t.server();
    const page = await t.page(server.base, "#/traces?model=zeta");
    await page.getByText("No trace matches").waitFor();
    await page.getByText("Live", {exact: true}).waitFor();
    const other = fresh();
    const match = fresh();
    const now = Date.now();
    await server.ingest([
        ...other.lines,
        ...match.lines,
        ...call(match.n, match.n, null, now, now + 10, {model: "zeta-1", prompt: "p", answer: "a"}),
    ]);
    await row(page, match.n).waitFor();
    expect.equal(await rows(page).count(), 1);
});

test("it connects again, and reads what it missed", async (t) => {
    const server = await t.server();
    const page = await t.page(server.base, "#/overview", {allow: [/ERR_|503/]});
    await page.getByRole("heading", {name: "Overview"}).waitFor();
    let lost = true;
    await page.route("**/api/events*", (r) =>
        lost ? r.fulfill({status: 503, body: "{}"}) : r.continue(),
    );
    await page.evaluate(() => {
        location.hash = "#/traces";
    });
    await settled(page);
    await page.getByText(/Not live|Connecting/).waitFor();
    const {n, lines} = fresh();
    await server.ingest(lines);
    lost = false;
    await page.getByText("Live", {exact: true}).waitFor();
    await row(page, n).waitFor();
});

test("j, k and enter walk; back is where one was", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base);
    await settled(page);
    const focused = () => page.evaluate(() => document.activeElement.closest("tr")?.dataset.trace);
    await page.keyboard.press("j");
    const first = await focused();
    expect.equal(first, await rows(page).first().getAttribute("data-trace"));
    await page.keyboard.press("j");
    const second = await focused();
    expect.notEqual(second, first);
    await page.keyboard.press("k");
    expect.equal(await focused(), first);
    for (let i = 0; i < 40; i++) await page.keyboard.press("j");
    const deep = await focused();
    const top = await page.locator(".list").evaluate((l) => l.scrollTop);
    expect.ok(top > 0, "the list follows");
    await page.keyboard.press("Enter");
    await page.waitForURL(new RegExp(`#/trace/${deep}`));
    await page.goBack();
    await eventually(async () => (await focused()) === deep, "the row has the focus again");
    expect.equal(await page.locator(".list").evaluate((l) => l.scrollTop), top);
    await page.keyboard.press("Escape");
    await eventually(async () => (await page.locator("tr.selected").count()) === 0, "none is");
});

test("columns are chosen and kept", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "", {width: 1000});
    await settled(page);
    const heads = () => page.getByRole("columnheader").allInnerTexts();
    expect.ok(!(await heads()).some((h) => h.startsWith("Spans")));
    await page.getByRole("button", {name: "Columns"}).click();
    await page.getByLabel("Spans").check();
    await page.getByLabel("Cost").uncheck();
    await page.reload();
    await settled(page);
    expect.ok((await heads()).some((h) => h.startsWith("Spans")));
    expect.ok(!(await heads()).some((h) => h.startsWith("Cost")));
});

test("a time range is chosen", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base);
    await settled(page);
    await page.getByRole("button", {name: /Time range/}).click();
    await page.getByRole("button", {name: "Last 15 minutes"}).click();
    await page.waitForURL(/range=15m/);
    await settled(page);
    await page.getByRole("button", {name: /Time range: Last 15/}).click();
    await page.getByLabel("From", {exact: true}).fill("2020-01-01T00:00");
    await page.getByLabel("To", {exact: true}).fill("2020-01-02T00:00");
    await page.getByRole("button", {name: "Apply"}).click();
    await page.getByText("No trace matches").waitFor();
    expect.match(decodeURIComponent(page.url()), /from=2020-01-01T00:00:00.000Z&to=2020-01-02/);
});

test("before the first trace it says how to make one", async (t) => {
    const server = await t.server();
    const {base} = server;
    const page = await t.page(base);
    await page.evaluate(() => sessionStorage.setItem("llm-tracer.key", "project-empty"));
    await page.reload();
    await page.getByText("No traces yet").waitFor();
    await page.getByText("llm-trace python app.py", {exact: true}).waitFor();
    await axe(page);
    const {n, lines} = fresh({project_id: "empty"});
    await server.ingest(lines, "project-empty");
    await row(page, n).waitFor();
    expect.equal(await rows(page).count(), 1, "another project's traces are not seen");
});

test("cards at 360 px", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "", {width: 360, height: 740, hasTouch: true});
    await settled(page);
    await fitsWidth(page);
    const box = await rows(page).first().boundingBox();
    expect.ok(box.width <= 360 && box.height > 48, JSON.stringify(box));
    await page.getByLabel("Sort by").selectOption("duration");
    await page.waitForURL(/sort=duration/);
    await settled(page);
    await eventually(async () => {
        await page.locator(".list").evaluate((l) => l.scrollTo(0, 6400));
        return Number(await rows(page).first().getAttribute("aria-rowindex")) > 60;
    }, "it scrolls by cards");
    await page.getByRole("button", {name: "Filter", exact: true}).tap();
    await page.getByLabel("Name").waitFor();
    await fitsWidth(page);
    await axe(page);
});

test("no serious violation", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/traces?tags=prod,special", {width: 1900});
    await settled(page);
    await axe(page);
    await page.getByRole("button", {name: /Time range/}).click();
    await page.getByLabel("From", {exact: true}).waitFor();
    await axe(page);
});

await run({seed});
