// What the list of traces says when it has no rows, and below its last one.
import {button, el, emptyState, errorState, icon, skeleton} from "./dom.js";
import {count, plural} from "./format.js";
import {href} from "./router.js";
import {service} from "./shell.js";

const SHORT = 20; // a list that ends within the window needs not say so

function firstHelp() {
    const code = (text) => el("pre", {class: "code", tabindex: "0"}, text);
    const {origin} = location;
    const own = service().read_only; // `llm-tracer ui`: it shows what was traced on this machine
    return emptyState(
        "No traces yet",
        el("p", {}, "Trace any program that calls an LLM, without changing a line of it:"),
        code("llm-trace python app.py"),
        !own && el("p", {}, "To send its traces here, give it the address and a key:"),
        !own && code(`export TRACER_URL=${origin}\nexport TRACER_API_KEY=project-NAME`),
        el("p", {}, "New traces show here as soon as they begin; there is nothing to reload."),
    );
}

function nothingFound() {
    return emptyState(
        "No trace matches",
        el("p", {}, "Nothing in this project passes all of these filters."),
        el("a", {class: "button", href: href("/traces")}, "Show all traces"),
    );
}

/** In place of the rows, or null where there are some. */
export function instead(list, filtered) {
    if (list.rows.length > 0) return null;
    if (list.loading) return skeleton(12);
    if (list.error?.status === 401) return null; // the key form says it
    if (list.error) return errorState(list.error, () => list.retry());
    if (!list.ended) return null;
    return filtered ? nothingFound() : firstHelp();
}

export function foot(list) {
    if (list.rows.length === 0) return null;
    if (list.error)
        return [
            el("span", {class: "problem"}, icon("error"), " ", list.error.message, " "),
            button({class: "button small", onclick: () => list.retry()}, "Try again"),
        ];
    if (list.loading) return "Reading more…";
    return list.ended && list.rows.length > SHORT ? "That is all." : null;
}

export function total(list) {
    if (list.rows.length === 0) return "";
    return list.ended ? plural(list.rows.length, "trace") : `${count(list.rows.length)}+ traces`;
}
