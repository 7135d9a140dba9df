// A panel that opens below a button and closes at esc or a press elsewhere (the popover attribute).
import {el, replace} from "./dom.js";

let number = 0;

function place(panel, button) {
    const at = button.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left, innerWidth - panel.offsetWidth - 8));
    const top = Math.min(at.bottom + 4, Math.max(8, innerHeight - panel.offsetHeight - 8));
    panel.style.setProperty("left", left + "px");
    panel.style.setProperty("top", top + "px");
}

/** content(close) makes what is inside, each time it opens. Gives {button, panel, open, close}. */
export function popover(attributes, label, content, title) {
    const id = "popover-" + ++number;
    const panel = el("div", {
        id,
        class: "popover",
        popover: "auto",
        role: "dialog",
        "aria-label": title,
    });
    const button = el(
        "button",
        {
            type: "button",
            class: "button",
            ...attributes,
            "aria-expanded": "false",
            "aria-haspopup": "dialog",
            popovertarget: id,
        },
        label,
    );
    const close = () => panel.hidePopover();
    panel.addEventListener("beforetoggle", (event) => {
        const opens = event.newState === "open";
        button.setAttribute("aria-expanded", String(opens));
        if (opens) replace(panel, content(close));
    });
    panel.addEventListener("toggle", (event) => {
        if (event.newState !== "open") return;
        place(panel, button);
        panel.querySelector("input, select, button")?.focus();
    });
    return {button, panel, close, open: () => panel.showPopover()};
}
