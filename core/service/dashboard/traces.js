import {el, replace} from "./dom.js";

export const page = {
    title: () => "Traces",
    show(root) {
        replace(root, el("h1", {}, "Traces"));
    },
};
