// What the browser tests share: the built server over a data directory of its own, Debian's
// Chromium driven by playwright-core, axe-core, and a runner. A test file:
//
//   import {expect, run, test} from "./harness.mjs";
//   test("what holds", async (t) => {
//       const {base} = await t.server();                    // shared by the file's tests; see below
//       const page = await t.page(base, "#/traces", {width: 360, theme: "dark"});
//       ...
//   });
//   await run();
//
// PEERS is a folder with node_modules of playwright-core and axe-core (build/peers/browser),
// TRACER_BUILD_DIR the build (build/release).
import assert from "node:assert/strict";
import {spawn} from "node:child_process";
import {mkdtempSync, rmSync, readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {tmpdir} from "node:os";
import path from "node:path";
import {fileURLToPath} from "node:url";

const BUILD = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../build");
const PEERS = process.env.PEERS ?? path.join(BUILD, "peers", "browser");
const require = createRequire(path.resolve(PEERS, "package.json"));
const PROGRAM = path.resolve(
    process.env.TRACER_BUILD_DIR ?? path.join(BUILD, "release"),
    "bin/llm-tracer",
);
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const TIMEOUT_MS = 10000; // of a step: a hang is a failure, slowness is none
export const KEY = "project-demo";

/** `llm-tracer serve` on a free port of loopback. {base, ingest(lines), stop()} */
export async function startServer(env = {}) {
    const dir = mkdtempSync(path.join(tmpdir(), "llm-browser-"));
    const clean = Object.fromEntries(
        Object.entries(process.env).filter(
            ([k]) =>
                !/^(TRACER_(?!BUILD_DIR)|TRACING_|API_KEY|STORAGE_|RATE_|CORS_|LISTEN_|DYNAMODB_|DEFAULT_PROJECT|XDG_)/.test(
                    k,
                ),
        ),
    );
    const child = spawn(PROGRAM, ["serve", "--listen", "127.0.0.1:0"], {
        env: {
            ...clean,
            HOME: dir,
            TRACER_DATA_DIR: path.join(dir, "data"),
            API_KEY_REQUIRED: "false",
            DEFAULT_PROJECT_KEY: KEY,
            ...env,
        },
        stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    const base = await new Promise((resolve, reject) => {
        const hear = (piece) => {
            said += piece;
            const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
            if (found) resolve(found[0]);
        };
        child.stdout.on("data", hear);
        child.stderr.on("data", hear);
        child.on("error", reject);
        child.on("exit", (code) => reject(new Error(`serve ended with ${code}: ${said}`)));
    });
    return {
        base,
        said: () => said,
        ingest: (lines, key = KEY) => ingest(base, lines, key),
        async stop() {
            child.removeAllListeners("exit");
            const ended =
                child.exitCode !== null || new Promise((resolve) => child.once("exit", resolve));
            child.kill("SIGTERM");
            await ended;
            rmSync(dir, {recursive: true, force: true});
        },
    };
}

/** Writes lines of POST /api/ingest; every one has to be taken. */
export async function ingest(base, lines, key = KEY) {
    const LINES = 20000;
    for (let at = 0; at < lines.length; at += LINES) {
        const body =
            lines
                .slice(at, at + LINES)
                .map((l) => JSON.stringify(l))
                .join("\n") + "\n";
        const response = await fetch(base + "/api/ingest", {
            method: "POST",
            body,
            headers: {
                "Content-Type": "application/x-ndjson",
                "X-API-Key": key,
            },
        });
        const text = await response.text();
        assert.equal(response.status, 200, text);
        const {rejected} = JSON.parse(text);
        assert.deepEqual(rejected, [], "lines were rejected");
    }
}

let browser = null;
export async function theBrowser() {
    browser ??= await require("playwright-core").chromium.launch({
        executablePath: CHROMIUM,
        args: ["--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none"],
    });
    return browser;
}

/** A page on base + fragment. What it logs as an error or throws fails the test (see `run`), unless
 * it is one of `allow` (expressions). options: width, height, theme, touch, init (before the page). */
export async function openPage(
    base,
    fragment = "",
    {width = 1280, height = 800, theme = "light", allow = [], errors = [], ...more} = {},
) {
    const context = await (
        await theBrowser()
    ).newContext({
        viewport: {width, height},
        colorScheme: theme,
        reducedMotion: "reduce",
        locale: "en-GB",
        timezoneId: "UTC",
        ...more,
    });
    context.setDefaultTimeout(TIMEOUT_MS);
    const page = await context.newPage();
    const note = (text) => {
        if (!allow.some((a) => a.test(text))) errors.push(text);
    };
    page.on("console", (m) => {
        if (m.type() === "error") note(`console: ${m.text()} ${m.location().url}`);
    });
    page.on("pageerror", (e) => note(`page: ${e.stack}`));
    page.on("request", (r) => {
        if (!r.url().startsWith(base)) note(`foreign request: ${r.url()}`);
    });
    page.on("dialog", (d) => {
        note(`dialog: ${d.message()}`);
        d.dismiss();
    });
    await page.goto(base + "/" + fragment);
    return page;
}

/** Violations of axe-core that are serious or critical: none, in both themes. */
export async function axe(page, {themes = ["light", "dark"], exclude = []} = {}) {
    const found = [];
    for (const theme of themes) {
        await page.emulateMedia({colorScheme: theme, reducedMotion: "reduce"});
        if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE + ";0"); // past the page's CSP
        const {violations} = await page.evaluate(
            (skip) =>
                globalThis.axe.run(
                    {exclude: skip},
                    {
                        resultTypes: ["violations"],
                    },
                ),
            exclude,
        );
        for (const v of violations.filter((x) => ["serious", "critical"].includes(x.impact)))
            found.push(
                `${theme}: ${v.id}: ${v.help}: ` +
                    v.nodes
                        .slice(0, 4)
                        .map((n) => `${n.html.slice(0, 160)} (${n.any[0]?.message ?? ""})`)
                        .join("\n    "),
            );
    }
    assert.deepEqual(found, [], found.join("\n"));
}

/** Nothing is wider than the window. */
export async function fitsWidth(page) {
    const [wide, inner] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        innerWidth,
    ]);
    assert.ok(wide <= inner, `the page is ${wide} px wide in a window of ${inner} px`);
    const main = await page.evaluate(() => {
        const m = document.getElementById("main");
        return m.scrollWidth - m.clientWidth;
    });
    assert.ok(main <= 0, `the content is ${main} px too wide`);
}

/** Waits until f() is true or gives something; its last failure is the error. */
export async function eventually(f, what = "it holds") {
    const end = Date.now() + TIMEOUT_MS;
    let last = null;
    while (Date.now() < end) {
        try {
            const value = await f();
            if (value) return value;
            last = null;
        } catch (error) {
            last = error;
        }
        await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw last ?? new Error(`not within ${TIMEOUT_MS} ms: ${what}`);
}

const tests = [];
export function test(name, f) {
    tests.push({name, f});
}
export const expect = assert;

/**
 * Runs the tests of this file in order (those whose name holds the first argument, if there is one).
 * seed(server) fills the server that t.server() gives to all of them.
 */
export async function run({seed = async () => {}, env = {}} = {}) {
    const only = process.argv[2] ?? "";
    let shared = null;
    let failed = 0;
    const server = () =>
        (shared ??= startServer(env).then(async (s) => {
            await seed(s);
            return s;
        }));
    try {
        for (const {name, f} of tests.filter((x) => x.name.includes(only))) {
            const began = performance.now();
            const errors = [];
            const pages = [];
            const t = {
                server,
                errors,
                async page(base, fragment, options) {
                    const page = await openPage(base, fragment, {...options, errors});
                    pages.push(page);
                    return page;
                },
            };
            try {
                await f(t);
                assert.deepEqual(errors, [], "the page reported errors: " + errors.join("\n"));
                console.log(`ok   ${name} (${Math.round(performance.now() - began)} ms)`);
            } catch (error) {
                failed++;
                console.log(`FAIL ${name}\n${error.stack}`);
                if (errors.length) console.log("the page reported: " + errors.join("\n"));
                if (process.env.SHOTS && pages.length)
                    await pages
                        .at(-1)
                        .screenshot({
                            path: path.join(process.env.SHOTS, name.replace(/\W+/g, "-") + ".png"),
                        })
                        .catch(() => {});
            }
            for (const page of pages) await page.context().close();
        }
    } finally {
        await browser?.close();
        if (shared) await (await shared.catch(() => null))?.stop();
    }
    process.exitCode = failed ? 1 : 0;
}
