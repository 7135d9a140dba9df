// The bar between the tree and the panel: dragged, or moved by arrow keys; remembered in this tab.

import {el} from "./dom.js";

const NAME = "llm-tracer.panel";
const LEAST = 25; // percent of the width that the panel takes
const MOST = 75;

function remembered() {
    try {
        const value = Number(sessionStorage.getItem(NAME));
        return value >= LEAST && value <= MOST ? value : null;
    } catch {
        return null; // storage is switched off
    }
}

function remember(value) {
    try {
        sessionStorage.setItem(NAME, String(Math.round(value)));
    } catch {
        // It lives as long as the page does.
    }
}

/** side: the panel; split(): the element that holds both. */
export function splitter(side, split) {
    const bar = el("div", {class: "splitter", role: "separator", tabindex: "0", "aria-orientation": "vertical",
                           "aria-label": "Width of the panel", "aria-valuemin": LEAST, "aria-valuemax": MOST});
    const set = (percent) => {
        const value = Math.min(MOST, Math.max(LEAST, percent));
        side.style.setProperty("--side", `${value}%`);
        bar.setAttribute("aria-valuenow", String(Math.round(value)));
        return value;
    };
    set(remembered() ?? 44);
    const move = (event) => {
        const box = split().getBoundingClientRect();
        remember(set((box.right - event.clientX) / box.width * 100));
    };
    bar.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        bar.setPointerCapture(event.pointerId);
        bar.addEventListener("pointermove", move);
    });
    for (const end of ["pointerup", "pointercancel"]) {
        bar.addEventListener(end, () => bar.removeEventListener("pointermove", move));
    }
    bar.addEventListener("keydown", (event) => {
        const step = {ArrowLeft: 2, ArrowRight: -2}[event.key];
        if (step === undefined) return;
        event.preventDefault();
        remember(set(Number(bar.getAttribute("aria-valuenow")) + step));
    });
    return bar;
}
