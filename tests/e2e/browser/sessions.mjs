// Sessions and users in a browser.
import {axe, eventually, expect, fitsWidth, run, test} from "./harness.mjs";
import {call, span, trace} from "./seed.mjs";
import {agent, iso, spanId, traceId} from "./trace_seed.mjs";

const T = Date.now() - 3600000;
const MINUTE = 60000;

function turn(n, at, user, session, prompt, answer) {
    return [...trace(n, at, at + 900, {name: "support-chat", user_id: user, session_id: session}),
            ...call(n * 100, n, null, at, at + 900, {model: "gpt-4o", prompt, answer, tokens: [100, 10], cost: 0.01})];
}

const LINES = [
    ...turn(1, T, "ada", "talk", "What is a trace?", "A tree of spans."),
    ...turn(3, T + 2 * MINUTE, "ada", "talk", "Thank you.", "You are welcome."),
    ...turn(2, T + MINUTE, "ada", "talk", "And a span?", "A piece of work."),
    ...turn(4, T + 3 * MINUTE, "ada", "other", "Hello", "Hi"),
    ...agent(5, T + 5 * MINUTE),
    ...trace(6, T + 6 * MINUTE, T + 6 * MINUTE + 5, {name: "by hand", user_id: "grace", session_id: "talk <b>"}),
    ...span(600, 6, null, T + 6 * MINUTE, T + 6 * MINUTE + 5, {name: "answer", input_data: {question: "Which way?"}},
            {output_data: {answer: "<b>North</b>"}}),
    ...trace(7, T, T + 5, {name: "without session"}),
];

const column = (page, name) => page.locator(`td[data-column="${name}"]`).allInnerTexts();

test("sessions with totals and their users", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/sessions");
    await page.locator(".groups tbody tr").first().waitFor();
    expect.deepEqual(await column(page, "session"), ["talk <b>", "trip-to-rome", "other", "talk"]);
    const talk = page.locator("tr", {has: page.locator("a:text-is(\"talk\")")});
    expect.equal(await talk.locator("[data-column=traces]").innerText(), "3");
    expect.equal(await talk.locator("[data-column=calls]").innerText(), "3");
    expect.equal(await talk.locator("[data-column=tokens]").innerText(), "300 → 30");
    expect.equal(await talk.locator("[data-column=cost]").innerText(), "$0.03");
    await eventually(async () => (await column(page, "user")).join() === "grace,ada@example.com,ada,ada", "users are read");
    await page.getByRole("button", {name: "Cost"}).click();
    expect.deepEqual(await column(page, "session"), ["talk", "trip-to-rome", "other", "talk <b>"]);
    expect.equal(await page.locator("th[aria-sort=descending]").innerText(), "Cost");
    await page.getByRole("button", {name: "Cost"}).click();
    await eventually(async () => (await column(page, "session"))[0] === "talk <b>", "the other way round");
    await page.keyboard.press("/");
    await page.keyboard.type("TRIP");
    await eventually(async () => (await column(page, "session")).join() === "trip-to-rome", "one is found");
    expect.ok((await page.evaluate(() => location.hash)).includes("find=TRIP"));
    await page.getByRole("searchbox").fill("nothing of that name");
    await page.getByRole("heading", {name: "No session of that name"}).waitFor();
});

test("the sessions of a user", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/sessions?user_id=ada");
    await page.locator(".groups tbody tr").first().waitFor();
    expect.deepEqual(await column(page, "session"), ["other", "talk"]);
    await page.getByRole("link", {name: "show all sessions"}).click();
    await eventually(async () => (await column(page, "session")).length === 4, "all of them");
});

test("a session reads as a conversation, in order", async (t) => {
    const server = await t.server();
    const page = await t.page(server.base, "#/sessions");
    await page.getByRole("link", {name: "talk", exact: true}).click();
    await eventually(async () => (await page.locator(".turn .said").count()) === 6, "all was read");
    expect.deepEqual(await page.locator(".turn .said").allInnerTexts(), ["What is a trace?", "A tree of spans.", "And a span?",
        "A piece of work.", "Thank you.", "You are welcome."]);
    const totals = (await page.locator(".session-totals").innerText()).replace(/\s+/g, " ");
    for (const said of ["Traces 3", "Calls 3", "Tokens 300 → 30", "Cost $0.03", "User ada"])
        expect.ok(totals.includes(said), `${said} in ${totals}`);
    await server.ingest(turn(8, T + 9 * MINUTE, "ada", "talk", "One more?", "Yes, one."));
    await eventually(async () => (await page.locator(".turn .said").last().innerText()) === "Yes, one.", "a new turn arrives");
    await page.locator(".turn-head a").first().click();
    await page.locator(".tree-row").first().waitFor();
    expect.equal(await page.evaluate(() => location.hash.split("?")[0]), `#/trace/${traceId(1)}`);
});

test("a session of spans made by hand; what they say stays text", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, `#/session/${encodeURIComponent("talk <b>")}`);
    await eventually(async () => (await page.locator(".turn .said").count()) === 2, "it was read");
    expect.deepEqual(await page.locator(".turn .said").allInnerTexts(), ["Which way?", "<b>North</b>"]);
    await axe(page);
});

test("the output that a program gave a trace is its answer", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/session/trip-to-rome");
    await page.locator(".turn .said", {hasText: "Have a good trip!"}).waitFor();
    expect.ok((await page.locator(".turn .said").first().innerText()).startsWith("A picture of the hotel."));
    expect.ok((await page.locator(".turn .span-error").innerText()).includes("Timeout: the railway"));
});

test("a trace that runs shows its answer when it ends", async (t) => {
    const server = await t.server();
    const at = Date.now() - 1000;
    await server.ingest([...trace(20, at, null, {name: "live", session_id: "live"}),
                         ...span(2000, 20, null, at, null, {name: "chat", span_type: "llm", input_data: {messages: [
                             {role: "user", content: "Are you there?"}]}})]);
    const page = await t.page(server.base, "#/session/live");
    await page.getByText("Are you there?").waitFor();
    await page.locator(".turn-said").getByText("Running…").waitFor();
    await server.ingest([{op: "complete_span", span_id: spanId(2000), end_time: iso(Date.now()), output_data: {messages: [
                             {role: "assistant", content: "I am."}]}},
                         {op: "complete_trace", trace_id: traceId(20), end_time: iso(Date.now())}]);
    await page.locator(".turn .said", {hasText: "I am."}).waitFor();
});

test("users with totals, and the ways from there", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/users");
    await page.locator(".groups tbody tr").first().waitFor();
    expect.deepEqual((await column(page, "user")).sort(), ["ada", "ada@example.com", "grace"]);
    const ada = page.locator("tr", {has: page.locator("a.group-name:text-is(\"ada\")")});
    expect.equal(await ada.locator("a.group-name").getAttribute("href"), "#/traces?user_id=ada");
    await ada.getByRole("link", {name: "Sessions of ada"}).click();
    await eventually(async () => (await column(page, "session")).length === 2, "the user's sessions");
});

test("nothing there, nothing that works, no such session", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/sessions?from=2001-01-01T00:00:00.000Z&to=2001-02-01T00:00:00.000Z", {allow: [/503/, /422/]});
    await page.getByRole("heading", {name: "No sessions yet"}).waitFor();
    await axe(page);
    await page.evaluate(() => { location.hash = "#/session/nobody"; });
    await page.getByRole("heading", {name: "No such session"}).waitFor();
    for (const id of ["%00", "x".repeat(300)]) {
        await page.evaluate(() => { location.hash = "#/sessions"; });
        await page.locator(".groups tbody tr").first().waitFor();
        await page.evaluate((to) => { location.hash = `#/session/${to}`; }, id);
        await page.getByRole("heading", {name: "No such session"}).waitFor();
    }
    await page.evaluate(() => { location.hash = "#/trace/%00"; });
    await page.getByRole("heading", {name: "No such trace"}).waitFor();
    await page.route("**/api/stats*", (route) => route.fulfill({status: 503, json: {detail: "later"}}));
    await page.evaluate(() => { location.hash = "#/users"; });
    await page.getByText("later").waitFor();
    await page.unroute("**/api/stats*");
    await page.getByRole("button", {name: "Try again"}).click();
    await page.locator(".groups tbody tr").first().waitFor();
});

test("a session that comes is shown", async (t) => {
    const server = await t.server();
    const page = await t.page(server.base, "#/sessions?user_id=new");
    await page.getByRole("heading", {name: "No sessions yet"}).waitFor();
    await server.ingest(turn(40, Date.now() - 2000, "new", "just begun", "Hello", "Hi"));
    await page.getByRole("link", {name: "just begun"}).waitFor();
});

test("360 px, and nothing that axe-core finds serious", async (t) => {
    const {base} = await t.server();
    for (const hash of ["#/sessions", "#/users", "#/session/trip-to-rome"]) {
        const page = await t.page(base, hash, {width: 360, height: 740});
        await page.locator(".groups tbody tr, .turn .said").first().waitFor();
        await fitsWidth(page);
        await axe(page);
        await page.setViewportSize({width: 1400, height: 900});
        await axe(page);
    }
});

await run({seed: (server) => server.ingest(LINES)});
