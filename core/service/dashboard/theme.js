// Runs before the first paint, so that the page does not flash in the other theme.
(function () {
    "use strict";
    let theme = "auto";
    try {
        theme = localStorage.getItem("llm-tracer.theme") || "auto";
    } catch {
        // No storage: the system's theme.
    }
    document.documentElement.dataset.theme = ["light", "dark"].includes(theme) ? theme : "auto";
})();
