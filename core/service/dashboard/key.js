// The API key: in this tab's session storage, or in local storage when the person says so. It is
// never put into a URL, a log or the page's text.

const NAME = "llm-tracer.key";
const watchers = new Set();

function stored(storage) {
    try {
        return storage().getItem(NAME);
    } catch {
        return null; // storage is switched off
    }
}

let memory = null;

export function currentKey() {
    return memory ?? stored(() => sessionStorage) ?? stored(() => localStorage);
}

export function setKey(key, remember) {
    forgetKey();
    memory = key;
    try {
        (remember ? localStorage : sessionStorage).setItem(NAME, key);
    } catch {
        // It lives as long as the page does.
    }
}

export function forgetKey() {
    memory = null;
    for (const storage of [() => sessionStorage, () => localStorage]) {
        try {
            storage().removeItem(NAME);
        } catch {
            // Nothing was kept there.
        }
    }
}

/** The project a key names: what follows its first "project-"; null for a key of another form. */
export function projectOf(key) {
    const at = key ? key.indexOf("project-") : -1;
    return at < 0 ? null : key.slice(at + "project-".length) || null;
}

/** f(message) is called when the service did not take the key. */
export function onKeyRefused(f) {
    watchers.add(f);
}

export function keyRefused(message) {
    for (const f of watchers) f(message);
}
