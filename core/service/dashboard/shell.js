// The frame around every page: header, navigation, theme, state of the service, key form.
import {el, icon, replace} from "./dom.js";
import {currentKey, forgetKey, projectOf} from "./key.js";
import {askForKey} from "./key_form.js";
import {showHelp} from "./keyboard.js";
import {href} from "./router.js";

const NAME = "LLM Tracer";
const SECTIONS = [
    {id: "traces", text: "Traces", icon: "table"},
    {id: "sessions", text: "Sessions", icon: "session"},
    {id: "users", text: "Users", icon: "user"},
    {id: "overview", text: "Overview", icon: "chart"},
];
const THEMES = [
    {id: "auto", text: "System theme"},
    {id: "light", text: "Light theme", icon: "sun"},
    {id: "dark", text: "Dark theme", icon: "moon"},
];

const parts = {}; // of the header
let actions = {reload() {}, readHealth() {}};
let health = null;

export function setTitle(title, moveFocus) {
    document.title = title ? `${title} · ${NAME}` : NAME;
    if (!moveFocus) return;
    // A new page is read from its start: the region keeps the focus, its title is said.
    document.getElementById("routed").textContent = title;
    const main = document.getElementById("main");
    if (document.activeElement === document.body || !document.activeElement)
        main.focus({preventScroll: true});
    scrollTo(0, 0);
}

export function setSection(section) {
    for (const link of parts.nav.querySelectorAll("a"))
        if (link.dataset.section === section) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
}

/** What GET /health said, or null when it cannot be reached. */
export function setHealth(answer) {
    health = answer;
    const ok = answer?.status === "healthy";
    replace(
        parts.health,
        el("span", {class: "dot " + (ok ? "dot-ok" : "dot-error")}),
        el("span", {class: "health-text"}, ok ? (answer.storage ?? "") : "no connection"),
    );
    parts.health.classList.toggle("problem", !ok);
    parts.health.title = ok
        ? `${answer.service ?? NAME} ${answer.version ?? ""}, stored in ${answer.storage ?? "?"}`
        : "The service cannot be reached";
    showProject();
}

/** Features and settings that /health told; {} before it answered. */
export function service() {
    return health ?? {};
}

/** "live", "paused", "connecting", "off" or null (the page has no live state). */
export function setLive(state) {
    const text = {live: "Live", paused: "Paused", connecting: "Connecting", off: "Not live"}[state];
    replace(
        parts.live,
        state && [el("span", {class: "dot dot-live-" + state}), el("span", {}, text)],
    );
    parts.live.hidden = !state;
    if (state === "live" && health === null) actions.readHealth(); // it is back
}

function showProject() {
    const project = projectOf(currentKey());
    replace(
        parts.project,
        project && [
            el("span", {class: "muted"}, "Project "),
            el("strong", {class: "cut", title: project}, project),
        ],
    );
    parts.project.hidden = !project;
    const signedIn = currentKey() !== null;
    // Without a key one sees the usual project; with one, that which it names.
    parts.key.hidden = !signedIn && (health === null || health.read_only === true);
    parts.key.setAttribute("aria-label", signedIn ? "Sign out" : "Sign in");
    replace(parts.key, icon("key"), el("span", {}, signedIn ? "Sign out" : "Sign in"));
}

function themeButton() {
    const root = document.documentElement;
    const button = el("button", {type: "button", class: "button quiet"});
    const show = () => {
        const theme = THEMES.find((t) => t.id === root.dataset.theme) ?? THEMES[0];
        replace(button, icon(theme.icon ?? "auto"));
        button.setAttribute("aria-label", `${theme.text}; change it`);
        button.title = theme.text;
    };
    button.addEventListener("click", () => {
        const at = THEMES.findIndex((t) => t.id === root.dataset.theme);
        root.dataset.theme = THEMES[(at + 1) % THEMES.length].id;
        try {
            localStorage.setItem("llm-tracer.theme", root.dataset.theme);
        } catch {
            // It lives as long as the page does.
        }
        show();
    });
    show();
    return button;
}

function signInOrOut() {
    const signedOut = currentKey() !== null;
    forgetKey();
    showProject();
    if (!signedOut || health?.auth) askForKey("", {optional: !health?.auth}).then(startAgain);
    else startAgain(true);
}

function startAgain(changed) {
    if (!changed) return;
    showProject();
    actions.reload();
}

/** The service did not take the key, or wants one: everything starts again with the next. */
export function keyWasRefused(message) {
    askForKey(currentKey() === null ? "" : message).then(startAgain);
}

/** Asks for the key before anything is read. */
export function signIn() {
    return askForKey("").then(showProject);
}

export function buildHeader(header, given) {
    actions = given;
    parts.nav = el(
        "nav",
        {class: "nav", "aria-label": "Pages"},
        SECTIONS.map((s) =>
            el(
                "a",
                {href: href("/" + s.id), dataset: {section: s.id}},
                icon(s.icon),
                el("span", {}, s.text),
            ),
        ),
    );
    parts.project = el("div", {class: "project", hidden: true});
    parts.live = el("div", {class: "live", hidden: true, role: "status"});
    parts.health = el("div", {class: "health"});
    parts.key = el("button", {
        type: "button",
        class: "button quiet sign",
        hidden: true,
        onclick: signInOrOut,
    });
    const help = el(
        "button",
        {
            type: "button",
            class: "button quiet",
            "aria-label": "Keyboard help",
            title: "Keyboard help (?)",
            onclick: showHelp,
        },
        icon("help"),
    );
    replace(
        header,
        el(
            "a",
            {class: "brand", href: "#/traces", "aria-label": NAME},
            el("span", {class: "brand-mark", "aria-hidden": "true"}, el("i"), el("i"), el("i")),
            el("span", {class: "brand-text"}, NAME),
        ),
        parts.nav,
        el(
            "div",
            {class: "header-end"},
            parts.project,
            parts.live,
            parts.health,
            parts.key,
            themeButton(),
            help,
        ),
    );
}
