// The frame of the dashboard: key form, theme, routes, keyboard help, states without a connection.
import {axe, eventually, expect, fitsWidth, KEY, run, startServer, test} from "./harness.mjs";
import {days} from "./seed.mjs";

const rows = (page) => page.locator("tr[data-trace]");

async function withKeys(f) {
    const server = await startServer({API_KEY_REQUIRED: "true", API_KEYS: KEY});
    try {
        await server.ingest(days(3));
        await f(server);
    } finally {
        await server.stop();
    }
}

const REFUSED = [/status of 40[01]/, /ERR_/];

test("a key is asked for, kept in the tab, never in the URL", (t) =>
    withKeys(async ({base}) => {
        const page = await t.page(base, "#/traces?status=ok", {allow: REFUSED});
        const field = page.getByLabel("API key");
        await field.waitFor();
        await axe(page);
        await field.fill("project-wrong");
        await page.getByRole("button", {name: "Sign in"}).last().click();
        await page.getByRole("dialog").getByRole("alert").waitFor();
        expect.equal(await rows(page).count(), 0);
        await field.fill(KEY);
        await page.keyboard.press("Enter");
        await rows(page).first().waitFor();
        expect.ok(page.url().endsWith("#/traces?status=ok"), page.url());
        expect.equal(await page.evaluate(() => sessionStorage.getItem("llm-tracer.key")), KEY);
        expect.equal(await page.evaluate(() => localStorage.getItem("llm-tracer.key")), null);
        expect.equal(await page.locator("#key").count(), 0);
        await page.getByText("demo", {exact: true}).first().waitFor();
        await page.reload();
        await rows(page).first().waitFor();
        const other = await page.context().newPage();
        await other.goto(base);
        await other.getByLabel("API key").waitFor(); // another tab knows nothing
        await page.getByRole("button", {name: "Sign out"}).click();
        await field.waitFor();
        expect.equal(await page.evaluate(() => sessionStorage.getItem("llm-tracer.key")), null);
    }));

test("a remembered key serves a new tab until one signs out", (t) =>
    withKeys(async ({base}) => {
        const page = await t.page(base, "", {allow: REFUSED});
        await page.getByLabel("API key").fill(KEY);
        await page.getByLabel("Remember on this device").check();
        await page.keyboard.press("Enter");
        await rows(page).first().waitFor();
        const other = await page.context().newPage();
        await other.goto(base);
        await rows(other).first().waitFor();
        await other.getByRole("button", {name: "Sign out"}).click();
        await other.getByLabel("API key").waitFor();
        expect.equal(await other.evaluate(() => localStorage.getItem("llm-tracer.key")), null);
        for (const p of [page, other]) expect.ok(!p.url().includes("demo"), p.url());
    }));

test("where no key is needed, one chooses another project", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base);
    await rows(page).first().waitFor();
    const open = page.locator("header").getByRole("button", {name: "Sign in"});
    await open.click();
    await page.getByLabel("API key").waitFor();
    await page.keyboard.press("Escape");
    await page.getByLabel("API key").waitFor({state: "detached"});
    await open.click();
    await page.getByLabel("API key").fill("project-other");
    await page.keyboard.press("Enter");
    await page.getByText("No traces yet").waitFor(); // and none of the project before
    expect.equal(await rows(page).count(), 0);
    await page.getByRole("button", {name: "Sign out"}).click();
    await rows(page).first().waitFor();
});

test("the theme is switched and kept", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "", {theme: "light"});
    const canvas = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await canvas();
    await page.getByRole("button", {name: /System theme/}).click();
    expect.equal(await canvas(), light);
    await page.getByRole("button", {name: /Light theme/}).click();
    const dark = await canvas();
    expect.notEqual(dark, light);
    await page.reload();
    expect.equal(await canvas(), dark);
    await page.getByRole("button", {name: /Dark theme/}).click();
    await page.emulateMedia({colorScheme: "dark"});
    expect.equal(await canvas(), dark, "the system's theme");
});

test("keys lead to the pages, titles follow, help lists them", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base);
    await rows(page).first().waitFor();
    expect.equal(await page.title(), "Traces · LLM Tracer");
    await page.keyboard.press("g");
    await page.keyboard.press("o");
    await page.getByRole("heading", {name: "Overview"}).waitFor();
    expect.equal(await page.title(), "Overview · LLM Tracer");
    expect.equal(await page.locator("nav a[aria-current=page]").innerText(), "Overview");
    await page.keyboard.press("/");
    await rows(page).first().waitFor();
    expect.equal(await page.evaluate(() => document.activeElement.id), "search");
    await page.keyboard.press("Escape");
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await page.getByRole("heading", {name: "Sessions"}).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("t");
    await rows(page).first().waitFor();
    await page.keyboard.press("?");
    const help = page.getByRole("dialog", {name: "Keyboard"});
    await help.getByText("Next trace").waitFor();
    await axe(page);
    await page.keyboard.press("Escape");
    await help.waitFor({state: "detached"});
});

test("the skip link leads into the content", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base);
    await rows(page).first().waitFor();
    await page.evaluate(() => document.activeElement.blur());
    await page.getByRole("link", {name: "Skip to content"}).focus();
    await page.keyboard.press("Enter");
    expect.equal(await page.evaluate(() => document.activeElement.id), "main");
    expect.ok(!page.url().includes("#main"), page.url());
});

test("without the service the list says so and comes back", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/overview", {allow: [/ERR_FAILED/]});
    await page.getByRole("heading", {name: "Overview"}).waitFor();
    await page.route("**/api/traces*", (r) => r.abort());
    await page.evaluate(() => {
        location.hash = "#/traces";
    });
    await page.getByText("The service cannot be reached").waitFor();
    await axe(page);
    await page.unroute("**/api/traces*");
    await page.getByRole("button", {name: "Try again"}).click();
    await rows(page).first().waitFor();
});

test("what is no page leads to the traces", async (t) => {
    const {base} = await t.server();
    const page = await t.page(base, "#/nowhere?x=%E0%A4%A");
    await rows(page).first().waitFor();
});

test("every page fits 320 px", async (t) => {
    const {base} = await t.server();
    for (const route of ["traces", "overview"]) {
        const page = await t.page(base, "#/" + route, {width: 320, height: 640});
        await eventually(() => page.locator(".tile, tr[data-trace]").count(), "the page is there");
        await fitsWidth(page);
    }
});

await run({seed: (server) => server.ingest(days(30))});
