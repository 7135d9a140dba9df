// screenshots.mjs FOLDER: writes a picture of each page in both themes, of realistic traces, for the
// README. PEERS and TRACER_BUILD_DIR as for the tests.
import {mkdirSync, writeFileSync} from "node:fs";
import path from "node:path";
import {eventually, openPage, startServer, theBrowser} from "./harness.mjs";
import {shrink} from "./png.mjs";
import {agent, busyDays, chat} from "./seed_pictures.mjs";
import {spanId, traceId} from "./seed.mjs";

const folder = process.argv[2];
if (!folder) {
    console.error("usage: node screenshots.mjs FOLDER");
    process.exit(2);
}
mkdirSync(folder, {recursive: true});

const AGENT = 700001;
const row = (page) => page.locator("tr[data-trace]").first().waitFor();
const some = (selector) => (page) => page.locator(selector).first().waitFor();
const PAGES = [
    {name: "traces", route: "#/traces", ready: row},
    {
        name: "trace",
        route: `#/trace/${traceId(AGENT)}?span=${spanId(AGENT * 100 + 9)}`,
        ready: some("main h1"),
    },
    {name: "overview", route: "#/overview?range=7d", ready: some(".tile")},
    {name: "sessions", route: "#/sessions", ready: some("main table tbody tr")},
    {name: "session", route: "#/session/margaret-suppliers", ready: some("main h1")},
    {name: "users", route: "#/users", ready: some("main table tbody tr")},
    {name: "phone", route: "#/traces", ready: row, width: 360, height: 720},
];

const server = await startServer();
try {
    const now = Date.now();
    await server.ingest([
        ...busyDays(now),
        ...chat(AGENT + 1, now - 18000),
        ...agent(AGENT, now - 4000),
    ]);
    for (const theme of ["light", "dark"])
        for (const {name, route, ready, width = 1280, height = 800} of PAGES) {
            const page = await openPage(server.base, route, {theme, width, height});
            await ready(page);
            await eventually(
                () =>
                    page
                        .locator(".skeleton")
                        .count()
                        .then((n) => n === 0),
                "everything is read",
            );
            await page.mouse.move(0, 0);
            await page.waitForTimeout(300); // charts are drawn a frame later
            const picture = shrink(await page.screenshot({animations: "disabled"}));
            writeFileSync(path.join(folder, `${name}-${theme}.png`), picture);
            await page.context().close();
        }
} finally {
    await (await theBrowser()).close();
    await server.stop();
}
