// The page of one trace in a browser.
import {axe, eventually, expect, fitsWidth, KEY, run, test} from "./harness.mjs";
import {span, trace} from "./seed.mjs";
import {agent, hostile, huge, iso, large, retries, running, spanId, talk, traceId} from "./trace_seed.mjs";

const T = Date.now() - 600000;
const AGENT = `#/trace/${traceId(1)}`;
const of = (n) => `#/trace/${traceId(n)}`;

async function open(t, fragment, options) {
    const {base} = await t.server();
    const page = await t.page(base, fragment, options);
    await page.locator(".tree-row").first().waitFor();
    return page;
}

const names = (page) => page.locator(".tree-row .name").allTextContents();
const activeName = (page) => page.evaluate(() => {
    const tree = document.querySelector(".tree");
    return document.getElementById(tree.getAttribute("aria-activedescendant"))?.querySelector(".name").textContent;
});
const row = (page, name) => page.locator(".tree-row", {has: page.locator(`.name:text-is("${name}")`)}).first();
const spanTitle = (page) => page.locator(".span-title h2").textContent();

test("head, rows in order, sums counted once", async (t) => {
    const page = await open(t, AGENT);
    expect.deepEqual(await names(page), ["travel-agent", "search-guides", "chat claude-sonnet-4-5", "get_weather", "find_trains",
        "GET trains.example.com", "chat claude-sonnet-4-5", "told twice", "audit-log"]);
    const head = await page.locator(".trace-head").innerText();
    for (const said of ["travel-agent", "Error", "9.40 s", "2.9K → 428", "$0.011", "ada@example.com", "trip-to-rome", "prod",
                        "Rome will be sunny. Take the 9:40 train.", "version, flags", "Timeout: the railway"])
        expect.ok(head.includes(said), `${said} in ${head}`);
    expect.ok(!head.includes("Have a good trip"));
    const root = await row(page, "travel-agent").innerText();
    expect.ok(/9\.40 s/.test(root) && /3\.3K/.test(root) && /\$0\.011/.test(root), root);
    expect.ok((await row(page, "told twice").innerText()).includes("($0.007)"));
    expect.ok((await row(page, "find_trains").innerText()).includes("Error"));
    expect.ok((await row(page, "audit-log").innerText()).includes("parent missing"));
    expect.ok((await page.locator(".tree-row").nth(6).innerText()).includes("Partial"));
    expect.equal(await page.locator(".trace-whose a", {hasText: "ada@"}).getAttribute("href"), "#/traces?user_id=ada%40example.com");
    expect.equal(await page.title(), "travel-agent · LLM Tracer");
});

test("self time is without the children", async (t) => {
    const page = await open(t, AGENT, {width: 2560, height: 1200});
    const self = (name) => row(page, name).locator(".tree-self").innerText();
    // 9,400 less 40-620, 700-3300, 3340-5600, 5700-9300
    expect.equal(await self("travel-agent"), "360 ms");
    expect.equal(await self("find_trains"), "70 ms");
    expect.equal(await self("get_weather"), "");
});

test("the tree by keys", async (t) => {
    const page = await open(t, AGENT);
    const press = async (...keys) => { for (const key of keys) await page.keyboard.press(key); };
    await page.locator(".tree").focus();
    await press("ArrowDown", "ArrowDown");
    expect.equal(await activeName(page), "chat claude-sonnet-4-5");
    await press("End");
    expect.equal(await activeName(page), "audit-log");
    await press("Home", "ArrowLeft");
    const first = page.locator(".tree-row").first();
    expect.equal(await first.getAttribute("aria-expanded"), "false");
    expect.deepEqual(await names(page), ["travel-agent", "audit-log"]);
    expect.equal(await page.locator(".tree").getAttribute("aria-rowcount"), "3");
    await press("ArrowRight", "ArrowRight");
    expect.equal(await activeName(page), "search-guides");
    await press("ArrowLeft");
    expect.equal(await activeName(page), "travel-agent");
    await press("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight");
    expect.equal(await activeName(page), "GET trains.example.com");
    const active = page.locator(".tree-row.active");
    expect.deepEqual([await active.getAttribute("aria-level"), await active.getAttribute("aria-posinset"),
                      await active.getAttribute("aria-setsize")], ["3", "1", "1"]);
    await press("Enter");
    await eventually(async () => await spanTitle(page) === "GET trains.example.com", "enter opens the span");
    expect.equal(await page.evaluate(() => document.activeElement.className), "span-body");
    expect.ok((await page.evaluate(() => location.hash)).endsWith(`?span=${spanId(105)}`));
    await press("Escape");
    expect.equal(await page.locator(".trace-side").isVisible(), false);
    expect.equal(await page.evaluate(() => location.hash), AGENT);
    expect.equal(await page.evaluate(() => document.activeElement.className), "tree");
    await press("c");
    expect.equal((await names(page)).length, 7);
    await press("e");
    expect.equal((await names(page)).length, 9);
});

test("bars lie at their times, also zoomed", async (t) => {
    const page = await open(t, AGENT);
    const bars = () => page.evaluate(() => {
        const axis = document.querySelector(".axis").getBoundingClientRect();
        return [...document.querySelectorAll(".tree-row")].map((r) => {
            const bar = r.querySelector(".span-bar")?.getBoundingClientRect();
            const first = r.querySelector(".ttft")?.getBoundingClientRect();
            return bar && {left: (bar.left - axis.left) / axis.width, width: bar.width / axis.width, px: axis.width,
                           ttft: first && (first.left + 1 - axis.left) / axis.width};
        });
    });
    const whole = 9400 * 1.02;
    const close = (a, b, px) => expect.ok(Math.abs(a - b) <= 1.5 / px, `${a} is not ${b}`);
    let at = await bars();
    close(at[0].left, 0, at[0].px);
    close(at[0].width, 9400 / whole, at[0].px);
    close(at[2].left, 700 / whole, at[2].px);
    close(at[2].width, 2600 / whole, at[2].px);
    close(at[2].ttft, 1340 / whole, at[2].px);
    expect.ok(at[3].ttft === undefined);
    const axis = page.locator(".axis");
    const box = await axis.boundingBox();
    await page.mouse.move(box.x + box.width * 0.25, box.y + 8);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.75, box.y + 8, {steps: 4});
    await page.mouse.up();
    at = await bars();
    close(at[2].width, (3300 - whole / 4) / (whole / 2), at[2].px / 2);
    expect.equal(at[1], undefined);
    await page.keyboard.press("0");
    close((await bars())[2].left, 700 / whole, at[2].px);
    await page.keyboard.press("+");
    expect.ok((await bars())[3].width > 1.9 * 760 / whole);
    await page.locator(".tree-row").nth(3).locator(".tree-time").dblclick();
    expect.ok((await bars())[3].width > 0.8);
});

test("a call's conversation: calls with their results, the rest folded", async (t) => {
    const page = await open(t, `${AGENT}?span=${spanId(106)}`);
    const body = page.locator(".span-body");
    await body.getByText("Take the 9:40 train.").waitFor();
    const tools = body.locator(".tool");
    expect.equal(await tools.count(), 2);
    const weather = await tools.nth(0).innerText();
    expect.ok(/get_weather[\s\S]*toolu_1[\s\S]*"Rome"[\s\S]*Result[\s\S]*"sunny"/.test(weather), weather);
    const trains = await tools.nth(1).innerText();
    expect.ok(/find_trains[\s\S]*Result: error[\s\S]*did not answer/.test(trains), trains);
    expect.equal(await body.locator(".message").count(), 5); // the message of results alone is with its calls
    const folded = body.locator("details.part-reasoning");
    expect.equal(await folded.evaluate((d) => d.open), false);
    await folded.locator("summary").click();
    await folded.locator(".said", {hasText: "I need the weather and a train."}).waitFor();
    expect.equal(await body.locator("details.role-system").evaluate((d) => d.open), false);
    expect.ok((await body.locator(".part-media").innerText()).includes("image/jpeg"));
    expect.ok((await body.locator(".part-media").innerText()).includes("182 KB"));
    expect.equal(await body.locator("img, audio, video, a").count(), 0);
    expect.ok((await body.locator(".parameters").innerText()).includes("max_tokens 1024"));
    await body.locator(".tools > summary").click();
    await body.locator(".tools").getByText("Current weather of a city.").first().waitFor();
    expect.equal(await page.locator(".span-head .status").innerText(), "Partial");
});

test("what a prompt says stays text", async (t) => {
    const page = await open(t, of(5));
    expect.equal(await page.locator(".tree-row").count(), 3); // parents in a circle end
    await page.locator(".tree-row").first().click();
    await page.locator(".span-body .member").waitFor();
    const shown = await page.locator("body").innerText();
    expect.ok(shown.includes("<script>document.title"));
    expect.ok(shown.includes("⟦U+202E⟧evil⟦U+202C⟧"));
    expect.ok(!shown.includes("\u202e"));
    expect.ok((await page.title()).includes("<script>"));
    expect.equal(await page.locator("#main img, #main script").count(), 0);
    expect.ok((await page.locator(".tree-row").first().innerText()).includes("parents in a circle"));
    await page.locator(".trace-whose a", {hasText: "a/b?c"}).click();
    await page.locator(".turn").waitFor();
    expect.equal(await page.locator(".page-head h1").innerText(), "a/b?c#d&e=⟦U+202E⟧");
});

test("usage, price, process and the record", async (t) => {
    const page = await open(t, `${AGENT}?span=${spanId(102)}`);
    await page.getByRole("tab", {name: "Details"}).click();
    const facts = (await page.locator(".details-view").innerText()).replace(/\s+/g, " ");
    for (const said of ["Input tokens 1,290", "of these cached 900", "of these reasoning 41", "Source reported by the provider",
                        "Cost $0.004 ", "Source from the price table", "Input, a million tokens $3.00", "First content 640 ms",
                        "Output rate 96 tokens/s", "Chunks 62", "Status 200", "Server api.anthropic.com:443", "Process id 4242",
                        "python3 agent.py --city Rome", "Captured by openssl", `Span ${spanId(102)}`])
        expect.ok(facts.includes(said), `${said} in ${facts}`);
    await page.keyboard.press("ArrowRight");
    const json = page.locator(".span-body .json");
    const before = await json.locator(".json-member").count();
    await json.locator("summary", {hasText: "input_data"}).click();
    await json.locator("summary", {hasText: /^parameters/}).waitFor();
    expect.ok(await json.locator(".json-member").count() > before);
    await page.goto(page.url().replace(/#.*/, "") + of(2) + `?span=${spanId(201)}`);
    await page.locator(".trace-title h1", {hasText: "retries"}).waitFor();
    await page.getByRole("tab", {name: "Details"}).click();
    const chain = page.locator(".chain li");
    await chain.first().waitFor();
    expect.deepEqual(await chain.allInnerTexts(), ["1: 429 · 100 ms", "2: 503 · 100 ms (this one)", "3: 200 · 100 ms"]);
    await chain.nth(2).locator("a").click();
    await eventually(async () => (await page.locator(".span-head").innerText()).includes("OK"), "the last attempt is shown");
});

test("copied as curl and as a link, neither has the key", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/users");
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.evaluate((key) => sessionStorage.setItem("llm-tracer.key", key), KEY);
    await page.goto(base + "/?again" + AGENT + `?span=${spanId(102)}`);
    await page.getByRole("button", {name: "Copy as curl"}).click();
    const copied = () => page.evaluate(() => navigator.clipboard.readText());
    await eventually(async () => (await copied()).startsWith("curl"), "it is copied");
    await page.locator(".toast", {hasText: "made anew"}).waitFor();
    const text = await copied();
    for (const said of ["'https://api.anthropic.com/v1/messages'", "\"x-api-key: $API_KEY\"", "anthropic-version",
                        "\"max_tokens\": 1024", "\"input_schema\"", "\"system\": \"You are a careful"])
        expect.ok(text.includes(said), `${said} in ${text}`);
    expect.ok(!text.includes(KEY));
    await page.getByRole("button", {name: "Copy link"}).click();
    await eventually(async () => (await copied()).includes(`span=${spanId(102)}`), "the link is copied");
    expect.ok(!(await copied()).includes(KEY));
    await page.goto("about:blank");
    await page.goto(`${base}/${AGENT}?span=${spanId(104)}`);
    await eventually(async () => await spanTitle(page) === "find_trains", "the link opens its span");
    await page.locator(".span-body").getByText("railway-7").waitFor(); // of a span made by hand, its metadata
});

test("a prompt of 5 MB comes in steps", async (t) => {
    const page = await open(t, of(7));
    await page.locator(".span-body").getByText("Short.").waitFor();
    const length = () => page.locator(".role-user .said").evaluate((e) => e.textContent.length);
    expect.ok(await length() <= 4096);
    const longest = page.evaluate(() => new Promise((resolve) => {
        let last = performance.now();
        let most = 0;
        const step = () => {
            const now = performance.now();
            most = Math.max(most, now - last);
            last = now;
            if (globalThis.done) resolve(most);
            else setTimeout(step, 0);
        };
        step();
    }));
    for (let i = 0; i < 3; i++) await page.getByRole("button", {name: /^Show more/}).click();
    await page.getByRole("tab", {name: "JSON"}).click();
    await page.getByRole("tab", {name: "Content"}).click();
    await page.evaluate(() => { globalThis.done = true; });
    console.log(`     longest pause with a 5 MB prompt: ${Math.round(await longest)} ms`);
    for (let i = 0; i < 3; i++) await page.getByRole("button", {name: /^Show more/}).click();
    const seen = await length();
    expect.ok(seen > 250000 && seen < 700000, String(seen));
});

test("a long history shows its end", async (t) => {
    const page = await open(t, of(4));
    const messages = page.locator(".side").first().locator(".message");
    await messages.first().waitFor();
    expect.equal(await messages.count(), 12);
    expect.ok((await messages.last().innerText()).includes("message 199"));
    await page.getByRole("button", {name: "Show 40 of 188 earlier messages"}).click();
    expect.equal(await messages.count(), 52);
    expect.ok((await messages.first().innerText()).includes("message 148"));
});

test("ten thousand spans", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/users");
    await page.addInitScript(() => {
        new MutationObserver((_, observer) => {
            if (!document.querySelector(".tree-row")) return;
            observer.disconnect();
            requestAnimationFrame(() => setTimeout(() => { globalThis.painted = performance.now(); }));
        }).observe(document, {childList: true, subtree: true});
    });
    await page.evaluate((hash) => { location.hash = hash; }, of(6));
    await page.reload();
    const painted = await eventually(() => page.evaluate(() => globalThis.painted), "rows are painted");
    console.log(`     first rows of 10,000 spans: ${Math.round(painted)} ms after the page was asked for`);
    const inDocument = () => page.locator(".tree-row").count();
    expect.ok(await inDocument() < 100);
    expect.equal(await page.locator(".tree").getAttribute("aria-rowcount"), "10001");
    await page.locator(".tree").focus();
    await page.keyboard.press("End");
    const lastShown = async () => (await page.locator(".tree-row").evaluateAll((rows) =>
        Math.max(...rows.map((r) => Number(r.dataset.position)))));
    expect.equal(await lastShown(), 9999);
    expect.ok(await inDocument() < 100);
    const name = page.locator(".tree-row.active .name");
    expect.ok((await name.boundingBox()).width > 20); // however deep it is
    await page.locator(".tree").evaluate((tree) => { tree.scrollTop = 150000; });
    await eventually(async () => Math.abs(await lastShown() - 5000) < 60, "the middle is shown");
    await page.keyboard.press("/");
    await page.keyboard.type("step 77");
    await eventually(async () => (await page.locator(".find-said").innerText()) === "1 of 111", "they are found");
    await page.keyboard.press("Enter");
    await eventually(async () => (await activeName(page)).startsWith("step 77"), "one is shown");
    await page.keyboard.press("Escape");
    await page.keyboard.press("c");
    expect.ok(await inDocument() < 100);
});

test("a running trace grows, and ends, as it is told", async (t) => {
    const server = await t.server();
    const start = Date.now() - 2000;
    await server.ingest(running(30, start));
    const page = await open(t, of(30));
    const duration = () => page.locator(".tree-duration").nth(1).innerText();
    const before = await duration();
    await eventually(async () => await duration() !== before, "its time goes on");
    expect.equal(await page.locator(".span-bar.bar-running").count(), 2);
    expect.equal(await page.locator(".trace-title .status").innerText(), "Running");
    await page.locator(".pending").waitFor();
    const chunks = page.locator(".span-head .trace-figure", {hasText: "Chunks"});
    expect.equal((await chunks.innerText()).replace(/\s+/g, " "), "Chunks 12");
    await server.ingest(span(3002, 30, 3000, start + 500, start + 900, {name: "a new one", span_type: "tool"}));
    await eventually(async () => (await names(page)).includes("a new one"), "a new span comes");
    expect.ok((await spanTitle(page)).startsWith("chat"));
    const end = Date.now();
    await server.ingest([
        {op: "complete_span", span_id: spanId(3001), end_time: iso(end), tokens_output: 7,
         output_data: {messages: [{role: "assistant", parts: [{type: "text", content: "Once upon a time."}]}]}},
        {op: "complete_span", span_id: spanId(3000), end_time: iso(end)},
        {op: "complete_trace", trace_id: traceId(30), end_time: iso(end)}]);
    await page.locator(".span-body").getByText("Once upon a time.").waitFor();
    await eventually(async () => await page.locator(".trace-title .status").innerText() === "OK", "the trace ended");
    expect.equal(await page.locator(".span-bar.bar-running").count(), 0);
    expect.equal(await chunks.count(), 0);
});

test("360 px: bars under names, the span as a sheet", async (t) => {
    const page = await open(t, AGENT, {width: 360, height: 740});
    await fitsWidth(page);
    expect.equal(await page.locator("dialog.sheet").evaluate((d) => d.open), false);
    const [name, bar] = [await row(page, "get_weather").locator(".name").boundingBox(),
                         await row(page, "get_weather").locator(".span-bar").boundingBox()];
    expect.ok(bar.y >= name.y + name.height - 2);
    await row(page, "get_weather").click();
    const sheet = page.locator("dialog.sheet");
    await sheet.locator(".span-body .member, .span-body .json, .span-body .side").first().waitFor();
    const box = await sheet.boundingBox();
    expect.deepEqual([box.x, box.y, box.width, box.height], [0, 0, 360, 740]);
    for (let i = 0; i < 12; i++) {
        await page.keyboard.press("Tab");
        expect.ok(await page.evaluate(() => document.activeElement === document.body
            || document.querySelector("dialog.sheet").contains(document.activeElement)), "the focus stays inside");
    }
    await axe(page);
    await fitsWidth(page);
    await page.keyboard.press("Escape");
    await eventually(() => sheet.evaluate((d) => !d.open), "esc closes it");
    expect.equal(await page.evaluate(() => location.hash), AGENT);
});

test("no such trace; a service that fails", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, of(0xabcdef), {allow: [/404/, /503/]});
    await page.getByRole("heading", {name: "No such trace"}).waitFor();
    await page.route("**/api/traces/*", (route) => route.fulfill({status: 503, json: {detail: "busy"}}));
    await page.evaluate((hash) => { location.hash = hash; }, AGENT);
    await page.getByText("busy", {exact: true}).waitFor();
    await page.unroute("**/api/traces/*");
    await page.getByRole("button", {name: "Try again"}).click();
    await page.locator(".tree-row").first().waitFor();
});

test("a trace without spans", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, of(8));
    await page.locator(".trace-title h1", {hasText: "no spans"}).waitFor();
    expect.equal(await page.locator(".tree-row").count(), 0);
    const said = () => page.locator(".tree-body").evaluate((e) => getComputedStyle(e, "::after").content);
    expect.equal(await said(), "\"This trace has no spans.\"");
    await page.keyboard.press("x");
    await page.keyboard.press("c");
    await axe(page, {themes: ["light"]});
});

test("a trace that runs and has no spans yet", async (t) => {
    const server = await t.server();
    await server.ingest(trace(990, Date.now() - 1000, null, {name: "just begun"}));
    const page = await t.page(server.base, of(990));
    await page.locator(".trace-title h1", {hasText: "just begun"}).waitFor();
    const said = () => page.locator(".tree-body").evaluate((e) => getComputedStyle(e, "::after").content);
    expect.equal(await said(), "\"No spans have come yet.\"");
});

test("nothing that axe-core finds serious", async (t) => {
    const page = await open(t, `${AGENT}?span=${spanId(106)}`);
    await page.locator(".span-body").getByText("Take the 9:40 train.").waitFor();
    for (const fold of await page.locator(".span-body details").all()) await fold.evaluate((d) => { d.open = true; });
    await axe(page);
    for (const tab of ["Details", "JSON"]) {
        await page.getByRole("tab", {name: tab}).click();
        await axe(page);
    }
    await page.locator(".tree-row").first().click();
    await page.getByRole("tab", {name: "Content"}).click();
    await page.locator(".trace-folds details").evaluateAll((all) => all.forEach((d) => { d.open = true; }));
    await axe(page);
});

await run({seed: (server) => server.ingest([
    ...agent(1, T), ...retries(2, T), ...talk(4, T), ...hostile(5, T), ...large(6, T), ...huge(7, T, 5e6),
    ...trace(8, T, T + 5, {name: "no spans"})])});
