// The line over the tree: find, open and close, errors, zoom.

import {debounce, el, icon} from "./dom.js";
import {count, plural} from "./format.js";

function button(title, text, run, label = null) {
    return el("button", {type: "button", class: "button small quiet", "aria-label": label, title, onclick: run}, text);
}

// Which of the found nodes is shown.
class Finder {
    #found = [];
    #at = -1;

    constructor(tree, said) {
        this.tree = tree;
        this.said = said;
    }

    run(text) {
        this.#found = this.tree.find(text);
        this.#at = -1;
        if (text.trim() === "") this.said.textContent = "";
        else if (this.#found.length === 0) this.said.textContent = "none";
        else this.step(1);
    }

    step(by) {
        const all = this.#found.length;
        if (all === 0) return false;
        this.#at = (this.#at + by + all) % all;
        this.tree.goTo(this.#found[this.#at]);
        this.said.textContent = `${count(this.#at + 1)} of ${count(all)}`;
        return true;
    }
}

/** tree: the SpanTree; data(): the tree that it shows, or null. */
export function treeTools(tree, data) {
    const said = el("span", {class: "find-said muted", role: "status"});
    const finder = new Finder(tree, said);
    const field = el("input", {type: "search", class: "input find", placeholder: "Find a span", spellcheck: "false",
                               autocomplete: "off", "aria-label": "Find in the tree"});
    const search = debounce(() => finder.run(field.value), 120);
    field.addEventListener("input", search);
    field.addEventListener("keydown", (event) => {
        if (event.key === "Enter") finder.step(event.shiftKey ? -1 : 1);
        else if (event.key === "Escape" || event.key === "ArrowDown") tree.element.focus();
        else return;
        event.preventDefault();
        event.stopPropagation();
    });
    const errors = el("button", {type: "button", class: "button small error-button", hidden: true,
                                 title: "Go to the next error (x)", onclick: () => nextError()});
    const running = el("span", {class: "status status-running", hidden: true});
    const nextError = () => {
        const failed = data()?.nodes.filter((node) => node.status === "error") ?? [];
        if (failed.length === 0) return false;
        const here = data().byId.get(tree.active)?.index ?? -1;
        tree.goTo(failed.find((node) => node.index > here) ?? failed[0]);
        return true;
    };
    const toggle = button("Open or close all but the first level (e, c)", "Collapse", () => {
        tree.closeBelow(tree.hides ? Infinity : 1);
    });
    const update = () => {
        toggle.hidden = !tree.hides && !data()?.nodes.some((node) => node.depth > 1);
        toggle.textContent = tree.hides ? "Expand" : "Collapse";
        if (data() === null) return;
        const {total} = data();
        errors.hidden = total.errors === 0;
        errors.replaceChildren(icon("error"), plural(total.errors, "error"));
        running.hidden = total.running === 0;
        running.replaceChildren(icon("running"), `${count(total.running)} running`);
    };
    const element = el("div", {class: "tree-tools", role: "toolbar", "aria-label": "Tree"}, field, said,
        toggle, errors, running,
        el("span", {class: "tools-end"},
           button("Farther (-)", "−", () => tree.axis.zoom(2), "Farther"),
           button("Closer (+)", "+", () => tree.axis.zoom(0.5), "Closer"),
           button("Whole time (0)", "Fit", () => tree.axis.fit())));
    return {element, update, find: () => { field.focus(); field.select(); }, next: (by) => finder.step(by), nextError};
}
