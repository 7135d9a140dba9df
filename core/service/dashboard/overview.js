import {el, replace} from "./dom.js";

export const page = {
    title: () => "Overview",
    show(root) {
        replace(root, el("h1", {}, "Overview"));
    },
};
