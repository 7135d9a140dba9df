// Keys: those of every page, those of the page that is shown, and the help that lists both.
import {el, replace} from "./dom.js";
import {go, pageKeys} from "./router.js";

const WAIT_FRAMES = 60;

/** The field of the list of traces, once it is there. */
function search(frames = WAIT_FRAMES) {
    const field = document.getElementById("search");
    if (field) field.focus();
    else if (frames > 0) requestAnimationFrame(() => search(frames - 1));
}

const GLOBAL = [
    {
        key: "/",
        text: "Search traces",
        run: () => {
            go("/traces");
            search();
        },
    },
    {key: "g t", text: "Traces", run: () => go("/traces")},
    {key: "g s", text: "Sessions", run: () => go("/sessions")},
    {key: "g u", text: "Users", run: () => go("/users")},
    {key: "g o", text: "Overview", run: () => go("/overview")},
    {key: "?", text: "This help", run: () => showHelp()},
];

let prefix = "";
let prefixTimer = 0;

function isTyping(target) {
    return target.closest?.("input, textarea, select, [contenteditable]") !== null;
}

function find(key) {
    return [...pageKeys(), ...GLOBAL].find((k) => k.key === key);
}

function nameOf(event) {
    if (event.key === "Escape") return "esc";
    if (event.key === "Enter") return "enter";
    return event.key;
}

function onKey(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const name = nameOf(event);
    if (isTyping(event.target) && name !== "esc") return;
    // Enter and space belong to whatever has the focus.
    if (
        (name === "enter" || name === " ") &&
        event.target.closest?.("a, button, summary, [role=button]")
    )
        return;
    const full = prefix ? `${prefix} ${name}` : name;
    prefix = "";
    clearTimeout(prefixTimer);
    const known = find(full);
    if (known) {
        if (known.run(event) !== false) event.preventDefault();
    } else if ([...pageKeys(), ...GLOBAL].some((k) => k.key.startsWith(full + " "))) {
        prefix = full;
        prefixTimer = setTimeout(() => {
            prefix = "";
        }, 1200);
    }
}

export function startKeys() {
    document.addEventListener("keydown", onKey);
}

function list(title, keys) {
    if (keys.length === 0) return null;
    return el(
        "section",
        {},
        el("h3", {}, title),
        el(
            "dl",
            {class: "key-list"},
            keys.map((k) =>
                el(
                    "div",
                    {},
                    el(
                        "dt",
                        {},
                        k.key.split(" ").map((part) => el("kbd", {}, part)),
                    ),
                    el("dd", {}, k.text),
                ),
            ),
        ),
    );
}

export function showHelp() {
    const before = document.activeElement;
    const own = pageKeys().filter((k) => k.text);
    const dialog = el("dialog", {class: "dialog help-dialog", "aria-labelledby": "help-title"});
    replace(
        dialog,
        el("h2", {id: "help-title"}, "Keyboard"),
        list("This page", own),
        list(
            "Everywhere",
            GLOBAL.filter((k) => !own.some((o) => o.key === k.key)),
        ),
        el(
            "div",
            {class: "form-end"},
            el(
                "button",
                {type: "button", class: "button", autofocus: true, onclick: () => dialog.close()},
                "Close",
            ),
        ),
    );
    dialog.addEventListener("close", () => {
        dialog.remove();
        before?.focus?.();
    });
    dialog.addEventListener("click", (event) => {
        if (event.target === dialog) dialog.close();
    });
    document.body.append(dialog);
    dialog.showModal();
}
