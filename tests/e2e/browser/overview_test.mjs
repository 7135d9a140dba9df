// The overview: its figures are those of what was written, and its charts can be read by keyboard
// and without colour.
import {axe, eventually, expect, fitsWidth, run, test} from "./harness.mjs";
import {call, trace} from "./seed.mjs";

const HOUR = 3600e3;
const NOW = Date.now();

// Of model alpha: 30 calls of 100 ms to 3 s, a cent each, three failed; of beta: 10 of 1 s.
function seed(server) {
    const lines = [];
    for (let i = 0; i < 40; i++) {
        const start = NOW - 20 * HOUR + i * (HOUR / 2) - 60000;
        const alpha = i % 4 !== 3;
        const fails = [0, 4, 8].includes(i);
        const took = alpha ? 100 * ((i % 30) + 1) : 1000;
        lines.push(
            ...trace(i + 1, start, start + took + 5, {
                name: `work ${i}`,
                user_id: i % 2 ? "ada" : "grace",
            }),
            ...call(i + 1, i + 1, null, start, start + took, {
                model: alpha ? "alpha-1" : "beta-2",
                prompt: "p",
                answer: "a",
                tokens: [1000, 100],
                cost: alpha ? 0.01 : 0.3,
                ttft: 50,
                error: fails ? "500 broken" : null,
            }),
        );
    }
    return server.ingest(lines);
}

const ready = (page) => page.locator(".tile").first().waitFor();
const chart = (page, name) =>
    page.locator("figure", {has: page.getByRole("heading", {name, exact: true})});

test("the figures are those of what was written", async (t) => {
    const {base} = await t.server();
    const asked = new Set();
    const page = await t.page(base);
    page.on("request", (r) => asked.add(new URL(r.url()).searchParams.get("from")));
    await page.evaluate(() => {
        location.hash = "#/overview?range=24h";
    });
    await ready(page);
    asked.delete(null);
    expect.equal(asked.size, 1, "all of it is of one time");
    const [from] = asked;
    expect.match(from, /:00:00\.000Z$/);
    const tiles = await page.locator(".tile").allInnerTexts();
    const of = (label) => tiles.find((x) => x.startsWith(label));
    expect.match(of("Cost"), /\$3\.27/); // 27 × 0.01 + 10 × 0.3
    expect.match(of("Calls"), /\b40\b/);
    expect.match(of("Error rate"), /7\.5 %/);
    expect.match(of("Error rate"), /3 failed/);
    expect.match(of("Tokens"), /41K/); // 37 × 1,100
    await page.getByRole("link", {name: "3 failed"}).click();
    await page.waitForURL(/#\/traces\?from=.*&status=error/);
    expect.equal(new URLSearchParams(page.url().split("?")[1]).get("from"), from);
    await eventually(
        async () => (await page.locator("tr[data-trace]").count()) === 3,
        "the failed ones are listed",
    );
});

test("lists lead into traces", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/overview?range=24h");
    await ready(page);
    const dearest = page.locator("section", {
        has: page.getByRole("heading", {name: "Dearest traces"}),
    });
    expect.equal(
        await dearest.locator("tbody tr").first().locator("td").last().innerText(),
        "$0.30",
    );
    const models = page.locator("section", {has: page.getByRole("heading", {name: "Models"})});
    expect.match(await models.locator("tbody tr").first().innerText(), /beta-2/);
    await models.getByRole("link", {name: "alpha-1"}).click();
    await page.waitForURL(/model=alpha-1/);
    await page.locator("tr[data-trace]").first().waitFor();
    await page.goBack();
    await ready(page);
    await page.getByRole("link", {name: "ada"}).click();
    await page.waitForURL(/user_id=ada/);
});

test("a chart is read by keyboard and as a table", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/overview?range=24h");
    await ready(page);
    const cost = chart(page, "Cost");
    const plot = cost.getByRole("slider");
    await plot.focus();
    await page.keyboard.press("End");
    const last = await plot.getAttribute("aria-valuetext");
    await page.keyboard.press("ArrowLeft"); // an hour of two calls; of one, of beta, at its start
    await eventually(
        async () =>
            /alpha-1 \$0\.0\d|beta-2 \$0\.3/.test(await plot.getAttribute("aria-valuetext")) &&
            (await plot.getAttribute("aria-valuetext")) !== last,
        "values are told",
    );
    expect.ok(await cost.locator(".tip").isVisible());
    expect.ok((await cost.locator("pattern").count()) >= 6, "columns have patterns");
    for (const place of [".plot", ".legend"]) {
        const dashes = await chart(page, "Latency")
            .locator(`${place} path.line`)
            .evaluateAll((l) => l.map((p) => getComputedStyle(p).strokeDasharray));
        expect.equal(dashes.length, 2);
        expect.equal(new Set(dashes).size, 2, `lines differ without colour: ${place} ${dashes}`);
    }
    await cost.getByRole("button", {name: "Cost as a table"}).click();
    await cost.locator("tbody tr").first().waitFor();
    expect.ok((await cost.locator("tbody tr").count()) >= 19, "hours with calls");
    await page
        .getByRole("group", {name: "Percentile"})
        .first()
        .getByRole("button", {name: "p50"})
        .click();
    expect.equal(await page.getByRole("button", {name: "p50", pressed: true}).count(), 2);
    await plot.waitFor({state: "hidden"});
    await chart(page, "Calls").getByRole("slider").focus();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("Enter");
    await page.waitForURL(/#\/traces\?from=/);
});

test("a finger reads a value before it opens the time", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/overview?range=24h", {width: 360, hasTouch: true});
    await ready(page);
    const cost = chart(page, "Cost");
    await cost.getByRole("slider").tap();
    await cost.locator(".tip").waitFor();
    expect.match(page.url(), /overview/);
    await cost.getByRole("slider").tap();
    await page.waitForURL(/#\/traces\?from=/);
});

test("the range stands in the URL", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/overview");
    await ready(page);
    await page.getByRole("button", {name: /Time range/}).click();
    await page.getByRole("button", {name: "Last 6 hours"}).click();
    await page.waitForURL(/range=6h/);
    await eventually(
        async () => /\b1[0-4]\b/.test(await page.locator(".tile").nth(2).innerText()),
        "fewer calls",
    );
    await page.evaluate(() => {
        location.hash = "#/overview?from=2001-01-01T00:00:00Z&to=2001-01-02T00:00:00Z";
    });
    await page.getByText("Nothing in this time").waitFor();
});

test("no serious violation, at any width", async (t) => {
    const {base} = await t.server();
    for (const width of [360, 1280]) {
        const page = await t.page(base, "#/overview?range=24h", {width});
        await ready(page);
        await fitsWidth(page);
        await chart(page, "Cost").getByRole("button", {name: "Cost as a table"}).click();
        await axe(page);
    }
});

await run({seed});
