// Elements made by calls. Whatever came from a traced program is untrusted text: it gets into the
// page as text nodes and attribute values alone, and nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

function setAttribute(node, name, value) {
    if (value === null || value === undefined || value === false) return;
    if (name.startsWith("on") && typeof value === "function")
        node.addEventListener(name.slice(2), value);
    else if (name === "style")
        for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "value" || name === "checked") node[name] = value;
    else if (name === "href" && !/^(#|https?:\/\/)/.test(value))
        throw new Error("not a link: " + value);
    else node.setAttribute(name, value === true ? "" : String(value));
}

function fill(node, attributes, children) {
    // The value of a select is set behind its options.
    for (const [name, value] of Object.entries(attributes ?? {}))
        if (name !== "value") setAttribute(node, name, value);
    append(node, children);
    if (attributes && "value" in attributes) setAttribute(node, "value", attributes.value);
    return node;
}

/** Appends nodes, texts and lists of them; null, undefined and false are left out. */
export function append(node, ...children) {
    for (const child of children.flat(Infinity)) {
        if (child === null || child === undefined || child === false) continue;
        node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return node;
}

/** el("a", {href: "#/traces", class: "x", onclick: f, style: {"--x": 1}}, "text", node, [more]) */
export function el(tag, attributes, ...children) {
    return fill(document.createElement(tag), attributes, children);
}

/** button({class, onclick, ...}, ...children) */
export function button(attributes, ...children) {
    return el("button", {type: "button", class: "button", ...attributes}, children);
}

export function svg(tag, attributes, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Puts these children in the place of all that the node has. */
export function replace(node, ...children) {
    node.replaceChildren();
    return append(node, ...children);
}

// Drawn on a grid of 16; strokes take the colour of the text.
const ICONS = {
    ok: ["M3.5 8.5l3 3 6-7"],
    error: ["M8 2.2l6.3 11.3H1.7z", "M8 6.5v3.2", "M8 11.6v.2"],
    running: ["M8 2a6 6 0 1 1-6 6"],
    partial: ["M2.5 8h3l1.5-4 2.5 8 1.5-4h2.5"],
    search: ["M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10z", "M10.7 10.7L14 14"],
    close: ["M4 4l8 8", "M12 4l-8 8"],
    plus: ["M8 3v10", "M3 8h10"],
    down: ["M4 6l4 4 4-4"],
    up: ["M4 10l4-4 4 4"],
    right: ["M6 4l4 4-4 4"],
    left: ["M10 4l-4 4 4 4"],
    pause: ["M5.5 3.5v9", "M10.5 3.5v9"],
    play: ["M5 3l8 5-8 5z"],
    sun: [
        "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
        "M8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.4 1.4M11.6 11.6L13 13M3 13l1.4-1.4M11.6 4.4L13 3",
    ],
    moon: ["M13 9.5A5.5 5.5 0 1 1 6.5 3a4.5 4.5 0 0 0 6.5 6.5z"],
    auto: ["M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z", "M8 2v12", "M8 5h4.5M8 8h6M8 11h4.5"],
    key: ["M5 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6z", "M8 8h6v2.5M11.5 8v2"],
    help: [
        "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z",
        "M6.2 6.3a1.8 1.8 0 1 1 2.6 1.6c-.6.3-.8.6-.8 1.2",
        "M8 11.2v.2",
    ],
    copy: ["M5.5 5.5h7v8h-7z", "M3.5 10.5v-8h7"],
    link: [
        "M6.5 9.5l3-3",
        "M7 5l1.5-1.5a2.5 2.5 0 0 1 4 4L11 9",
        "M9 11l-1.5 1.5a2.5 2.5 0 0 1-4-4L5 7",
    ],
    filter: ["M2 3.5h12", "M4.5 8h7", "M6.5 12.5h3"],
    table: ["M2.5 3h11v10h-11z", "M2.5 6.5h11", "M6.5 3v10"],
    chart: ["M2.5 13.5v-11", "M2.5 13.5h11", "M5 10l2.5-3 2.5 2 3-4.5"],
    user: ["M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z", "M3 13.5a5 5 0 0 1 10 0"],
    session: ["M2.5 3h11v8h-6l-3 2.5V11h-2z"],
    clock: ["M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z", "M8 5v3l2 1.5"],
};

/** A picture beside a text; give a label only where no text stands beside it. */
export function icon(name, label) {
    return svg(
        "svg",
        {
            class: "icon icon-" + name,
            viewBox: "0 0 16 16",
            role: label ? "img" : null,
            "aria-label": label,
            "aria-hidden": label ? null : "true",
            focusable: "false",
        },
        (ICONS[name] ?? []).map((d) => svg("path", {d})),
    );
}

const STATUS = {ok: "OK", error: "Error", running: "Running", partial: "Partial"};

/** Status as picture and word: never by colour alone. */
export function statusBadge(status) {
    const known = status in STATUS ? status : "ok";
    return el(
        "span",
        {class: "status status-" + known},
        icon(known),
        el("span", {}, STATUS[known]),
    );
}

/** A time with its exact value as a tooltip for those who point at it. */
export function timeElement(iso, text, title) {
    return el("time", {datetime: iso, title: title ?? iso}, text);
}

/** A button that copies what text() gives, and says so. */
export function copyButton(label, text) {
    const says = el("span", {}, label);
    const button = el(
        "button",
        {
            type: "button",
            class: "button small",
            onclick: async () => {
                const value = await text();
                try {
                    await navigator.clipboard.writeText(value);
                    announce("Copied");
                    says.textContent = "Copied";
                } catch {
                    announce("The browser did not allow to copy", "error");
                }
                setTimeout(() => {
                    says.textContent = label;
                }, 1500);
            },
        },
        icon("copy"),
        says,
    );
    return button;
}

let statusTimer = 0;
/** Says a sentence to all: shown for some seconds, read out by a screen reader. */
export function announce(text, kind = "info") {
    const place = document.getElementById("status");
    if (!place) return;
    replace(place, el("div", {class: "toast toast-" + kind}, text));
    clearTimeout(statusTimer);
    statusTimer = setTimeout(() => place.replaceChildren(), kind === "error" ? 8000 : 4000);
}

/** What a page shows in place of its content. */
export function emptyState(title, ...children) {
    return el("section", {class: "empty"}, el("h2", {}, title), children);
}

export function errorState(error, retry) {
    return el(
        "section",
        {class: "empty error-state", role: "alert"},
        el("h2", {}, icon("error"), " ", error.title ?? "That did not work"),
        el("p", {}, error.message),
        retry && el("button", {type: "button", class: "button", onclick: retry}, "Try again"),
    );
}

/** Grey bars where rows will be. */
export function skeleton(rows = 8) {
    return el(
        "div",
        {class: "skeleton", "aria-hidden": "true"},
        Array.from({length: rows}, () => el("div", {class: "skeleton-row"})),
    );
}

/** One call of f a frame, however often it is asked for. */
export function perFrame(f) {
    let asked = false;
    return () => {
        if (asked) return;
        asked = true;
        requestAnimationFrame(() => {
            asked = false;
            f();
        });
    };
}

/** f some ms after it is wanted, and then at most once in `apart` ms; stop(): never again. */
export function paced(f, soon, apart, now = () => performance.now()) {
    let timer = 0;
    let last = -Infinity;
    const again = () => {
        timer ||= setTimeout(
            () => {
                timer = 0;
                last = now();
                f();
            },
            Math.max(soon, last + apart - now()),
        );
    };
    again.stop = () => {
        clearTimeout(timer);
        timer = -1;
    };
    return again;
}

/** f, once nothing was asked for during ms. */
export function debounce(f, ms) {
    let timer = 0;
    return (...values) => {
        clearTimeout(timer);
        timer = setTimeout(() => f(...values), ms);
    };
}
