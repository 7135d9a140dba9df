// Starts the page: theme, what the service says of itself, key, routes.
import {get} from "./api.js";
import {announce, errorState, replace} from "./dom.js";
import {currentKey, onKeyRefused} from "./key.js";
import {reload, route, start} from "./router.js";
import {buildHeader, keyWasRefused, setHealth, setSection, setTitle, signIn} from "./shell.js";
import {startKeys} from "./keyboard.js";

route("/traces", "traces", () => import("./traces.js"));
route("/trace/:id", "traces", () => import("./trace.js"));
route("/sessions", "sessions", () => import("./sessions.js"));
route("/session/:id", "sessions", () => import("./session.js"));
route("/users", "users", () => import("./users.js"));
route("/overview", "overview", () => import("./overview.js"));

const main = document.getElementById("main");

function titleOf({page, request, error}) {
    if (error) return error.title ?? "Error";
    return page?.title?.(request) ?? "";
}

function onChange(change) {
    setSection(change.section);
    setTitle(titleOf(change), change.anew);
    if (change.error) {
        if ([400, 401].includes(change.error.status)) return; // the key form is there
        if (!change.error.title) console.error(change.error);
        replace(
            change.mount,
            errorState(change.error, () => reload()),
        );
    }
}

async function readHealth() {
    try {
        const health = await get("/health");
        setHealth(health);
        return health;
    } catch (error) {
        setHealth(null);
        return null;
    }
}

onKeyRefused(keyWasRefused);

async function run() {
    buildHeader(document.getElementById("header"), {reload, readHealth});
    startKeys();
    document.getElementById("skip").addEventListener("click", (event) => {
        event.preventDefault(); // the fragment is the route
        main.focus();
    });
    const health = await readHealth();
    if (health?.auth && !currentKey()) {
        setTitle("Sign in", true);
        await signIn();
    }
    await start(main, onChange);
    setInterval(readHealth, 60000);
}

run().catch((error) => {
    console.error(error);
    announce("The page could not start: " + error.message, "error");
});
