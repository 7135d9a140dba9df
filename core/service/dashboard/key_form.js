// The form that asks for the API key.
import {button, el, icon, replace} from "./dom.js";
import {setKey} from "./key.js";

let asking = null; // {promise, renew(problem)} while the form is open

function keyForm({problem, optional, done}) {
    const field = el("input", {
        type: "password",
        id: "key",
        name: "key",
        class: "input wide",
        required: true,
        autocomplete: "off",
        spellcheck: "false",
        "aria-describedby": "key-help",
    });
    const remember = el("input", {type: "checkbox", id: "remember"});
    const submit = (event) => {
        event.preventDefault();
        const key = field.value.trim();
        if (!key) return;
        setKey(key, remember.checked);
        done(true);
    };
    const help = [
        optional
            ? "A key names a project, in the form "
            : "This service asks for an API key, in the form ",
        el("code", {}, "project-NAME"),
        ". It stays in this browser and is sent to this service alone.",
    ];
    const form = el(
        "form",
        {class: "key-form", onsubmit: submit},
        el("h2", {id: "key-title"}, "Sign in"),
        el("p", {id: "key-help", class: "muted"}, help),
        problem && el("p", {class: "problem", role: "alert"}, icon("error"), " ", problem),
        el("label", {for: "key"}, "API key"),
        field,
        el("label", {class: "check"}, remember, el("span", {}, "Remember on this device")),
        el(
            "div",
            {class: "form-end"},
            optional && button({onclick: () => done(false)}, "Cancel"),
            el("button", {type: "submit", class: "button primary"}, "Sign in"),
        ),
    );
    return {form, field};
}

/**
 * Shows the form with a sentence about the key before, or "". Resolves with true when a key was
 * given; an optional one may be closed without (false). One form at a time: a second call shows its
 * problem in the one that is open.
 */
export function askForKey(problem, {optional = false} = {}) {
    if (asking) {
        asking.renew(problem);
        return asking.promise;
    }
    const dialog = el("dialog", {class: "dialog key-dialog", "aria-labelledby": "key-title"});
    const {promise, resolve} = deferred();
    const done = (given) => {
        asking = null;
        dialog.close();
        dialog.remove();
        resolve(given);
    };
    const renew = (text) => {
        const {form, field} = keyForm({problem: text, optional, done});
        replace(dialog, form);
        field.focus();
    };
    asking = {promise, renew};
    // A browser lets esc close a dialog in the end, whatever the page says.
    dialog.addEventListener("close", () => {
        if (asking === null) return;
        if (optional) done(false);
        else dialog.showModal();
    });
    document.body.append(dialog);
    dialog.showModal();
    renew(problem);
    return promise;
}

function deferred() {
    let resolve = null;
    const promise = new Promise((f) => {
        resolve = f;
    });
    return {promise, resolve};
}
