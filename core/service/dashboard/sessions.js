// The sessions: conversations that programs named by a session_id.

import {el, icon, replace} from "./dom.js";
import {get} from "./api.js";
import {cut} from "./format.js";
import {href, pathOf} from "./router.js";
import {shown} from "./conversation_text.js";
import {FIGURES, groupPage} from "./sessions_table.js";

const AT_ONCE = 4; // readings
const users = new Map(); // session_id: promise of its newest trace's user
const waiting = [];
let reading = 0;

function next() {
    while (reading < AT_ONCE && waiting.length > 0) {
        reading++;
        const run = waiting.shift();
        run().finally(() => {
            reading--;
            next();
        });
    }
}

// A group does not tell its user: its newest trace does.
function userOf(id, signal) {
    return new Promise((resolve) => {
        waiting.push(async () => {
            try {
                const {traces} = await get("/api/traces", {session_id: id, limit: 1}, {signal});
                resolve(traces[0]?.user_id ?? null);
            } catch {
                users.delete(id);
                resolve(null);
            }
        });
        next();
    });
}

async function showUser(group, row, signal) {
    const id = group.session_id;
    if (!users.has(id)) users.set(id, userOf(id, signal));
    const user = await users.get(id);
    const cell = row.querySelector("[data-column=user]");
    if (user !== null) replace(cell, el("a", {class: "cut", href: href("/sessions", {user_id: user}), title: shown(user)},
                                        shown(cut(user, 60))));
}

function name(group) {
    const id = group.session_id;
    return el("a", {class: "group-name cut", href: href(pathOf("session", id)), title: shown(id)}, shown(cut(id, 80)));
}

function about(query) {
    const user = query.get("user_id");
    if (user === null) return null;
    return el("a", {class: "button small", href: href("/sessions"), "aria-label": `User ${user}; show all sessions`},
              icon("user"), shown(cut(user, 60)), icon("close"));
}

export const page = groupPage({
    path: "/sessions", title: "Sessions", one: "session", many: "sessions", groupBy: "session",
    nameOf: (group) => group.session_id ?? null, about, seen: showUser,
    empty: el("p", {}, "Traces that have a ", el("code", {}, "session_id"), " are shown here as conversations."),
    columns: [{id: "session", label: "Session", value: (g) => g.session_id, cell: name},
              {id: "user", label: "User", from: 760, cell: () => ""}, FIGURES.traces, FIGURES.calls, FIGURES.errors,
              FIGURES.tokens, FIGURES.cost, FIGURES.first, FIGURES.last],
});
