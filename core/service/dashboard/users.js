// The users that programs named by a user_id, with what their traces came to.

import {el} from "./dom.js";
import {cut, duration} from "./format.js";
import {href} from "./router.js";
import {shown} from "./conversation_text.js";
import {FIGURES, groupPage} from "./sessions_table.js";

function name(group) {
    const id = group.user_id;
    return el("a", {class: "group-name cut", href: href("/traces", {user_id: id}), title: shown(id)}, shown(cut(id, 80)));
}

function links(group) {
    const of = shown(cut(group.user_id, 60));
    return [el("a", {href: href("/sessions", {user_id: group.user_id}), "aria-label": `Sessions of ${of}`}, "Sessions"),
            " · ",
            el("a", {href: href("/traces", {user_id: group.user_id}), "aria-label": `Traces of ${of}`}, "Traces")];
}

export const page = groupPage({
    path: "/users", title: "Users", one: "user", many: "users", groupBy: "user",
    nameOf: (group) => group.user_id ?? null,
    empty: el("p", {}, "Traces that have a ", el("code", {}, "user_id"), " are summed up here."),
    columns: [{id: "user", label: "User", value: (g) => g.user_id, cell: name}, FIGURES.traces, FIGURES.calls,
              FIGURES.errors, FIGURES.tokens, FIGURES.cost,
              {id: "latency", label: "p95 latency", number: true, from: 1000, value: (g) => g.latency_p95_ms,
               cell: (g) => duration(g.latency_p95_ms)},
              FIGURES.first, FIGURES.last, {id: "links", label: "Open", cell: links, from: 480}],
});
