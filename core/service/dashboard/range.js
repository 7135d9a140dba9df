// Choosing a time range: presets and two times of one's own.
import {el, icon, replace} from "./dom.js";
import {popover} from "./popover.js";
import {RANGES, toLocalInput} from "./time.js";

/** change({range} or {from, to}) as parameters of a link. Gives {button, panel, set(range)}. */
export function rangePicker(change, presets = RANGES) {
    let range = null;
    const label = el("span", {});
    const content = (close) => {
        const pick = (query) => {
            close();
            change(query);
        };
        const from = el("input", {
            type: "datetime-local",
            class: "input",
            id: "range-from",
            value: toLocalInput(range.from),
        });
        const to = el("input", {
            type: "datetime-local",
            class: "input",
            id: "range-to",
            value: toLocalInput(range.to),
        });
        const iso = (input) => (input.value ? new Date(input.value).toISOString() : null);
        return [
            el(
                "div",
                {class: "menu", role: "group", "aria-label": "Presets"},
                presets.map((p) =>
                    el(
                        "button",
                        {
                            type: "button",
                            class: "menu-item",
                            "aria-pressed": String(p.id === range.id),
                            onclick: () => pick({range: p.id}),
                        },
                        p.label,
                    ),
                ),
            ),
            el(
                "form",
                {
                    class: "range-form",
                    "aria-label": "Times",
                    onsubmit: (event) => {
                        event.preventDefault();
                        if (from.value || to.value)
                            pick({range: null, from: iso(from), to: iso(to)});
                    },
                },
                el("label", {for: "range-from"}, "From"),
                from,
                el("label", {for: "range-to"}, "To"),
                to,
                el(
                    "div",
                    {class: "form-end"},
                    el("button", {type: "submit", class: "button primary"}, "Apply"),
                ),
            ),
        ];
    };
    const {button, panel} = popover(
        {class: "button range-button"},
        [icon("clock"), label, icon("down")],
        content,
        "Time range",
    );
    return {
        button,
        panel,
        set(value) {
            range = value;
            replace(label, value.label);
            button.setAttribute("aria-label", "Time range: " + value.label);
        },
    };
}
