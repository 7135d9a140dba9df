// Routes are in the fragment: "#/trace/ID?span=ID". A page is a module with
//
//   export const page = {
//       title: (request) => "Trace",            the document's title and what is read out
//       show(root, request) { ... return view; }   fills root; may be async
//   };
//   request: {path, params: {id}, query: URLSearchParams, signal}, which aborts at leaving
//   view (all optional): {
//       update(request)   the same page with another query or id; without it, or when it
//                         gives false, the page is shown anew
//       leave()
//       keys: [{key: "j", text: "Next trace", run(event)}]   listed in the keyboard help
//   }

const routes = [];
let current = null; // {route, view, controller, request}
let place = null;
let changed = () => {};
let shows = 0;

/** pattern: "/trace/:id"; load: () => Promise of the module; section: its navigation entry. */
export function route(pattern, section, load) {
    const names = [];
    const source = pattern.replace(/:(\w+)/g, (_, name) => {
        names.push(name);
        return "([^/]+)";
    });
    routes.push({match: new RegExp(`^${source}$`), names, section, load});
}

/** A link into the page: href("/trace/" + id, {span}) with what is null or "" left out. */
export function href(path, query = {}) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query))
        if (value !== null && value !== undefined && value !== "") search.set(name, value);
    const text = search.toString();
    return "#" + path + (text ? "?" + text : "");
}

/** "/trace/" and an id of any characters */
export function pathOf(...segments) {
    return "/" + segments.map(encodeURIComponent).join("/");
}

export function go(path, query = {}, {replace = false} = {}) {
    const to = href(path, query);
    if (to === location.hash) return;
    if (replace) {
        history.replaceState(null, "", to);
        follow();
    } else {
        location.hash = to;
    }
}

function decode(text) {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}

function find(path) {
    for (const r of routes) {
        const match = r.match.exec(path);
        if (!match) continue;
        return {
            route: r,
            params: Object.fromEntries(r.names.map((n, i) => [n, decode(match[i + 1])])),
        };
    }
    return null;
}

function leave() {
    if (!current) return;
    current.controller.abort();
    current.view?.leave?.();
    current = null;
}

async function show(found, request) {
    leave();
    const mine = ++shows;
    const controller = new AbortController();
    request.signal = controller.signal;
    const mount = document.createElement("div");
    mount.className = "page";
    place.replaceChildren(mount);
    current = {route: found.route, view: null, controller, request};
    let page = null;
    try {
        ({page} = await found.route.load());
        if (mine !== shows) return;
        changed({page, request, section: found.route.section, anew: true});
        const view = await page.show(mount, request);
        if (mine === shows) current.view = view ?? null;
        else view?.leave?.();
    } catch (error) {
        if (mine !== shows || error.name === "AbortError") return;
        changed({page, request, section: found.route.section, anew: true, error, mount});
    }
}

async function follow() {
    const [path, search = ""] = location.hash.replace(/^#/, "").split(/\?(.*)/s);
    const found = find(path || "/traces") ?? find("/traces");
    const request = {path, params: found.params, query: new URLSearchParams(search)};
    if (current?.view?.update && current.route === found.route) {
        request.signal = current.controller.signal;
        const {page} = await found.route.load();
        if (current.view.update(request) !== false) {
            current.request = request;
            changed({page, request, section: found.route.section, anew: false});
            return;
        }
    }
    await show(found, request);
}

/** onChange({page, request, section, anew, error, mount}) follows each change. */
export function start(root, onChange) {
    place = root;
    changed = onChange;
    addEventListener("hashchange", follow);
    return follow();
}

/** Shows the page again from the start (another key, a retry). */
export function reload() {
    if (current) current.view = null;
    return follow();
}

export function pageKeys() {
    return current?.view?.keys ?? [];
}
