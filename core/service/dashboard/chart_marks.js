// What tells series apart beside their colour: patterns of columns, dashes and markers of lines.
import {svg} from "./dom.js";

export const SERIES = 6;

export const MARKERS = [
    (x, y) => `M${x - 3} ${y}a3 3 0 1 0 6 0a3 3 0 1 0-6 0`,
    (x, y) => `M${x - 3} ${y - 3}h6v6h-6z`,
    (x, y) => `M${x} ${y - 4}l4 7h-8z`,
    (x, y) => `M${x} ${y - 4}l4 4l-4 4l-4-4z`,
    (x, y) => `M${x - 4} ${y - 3}h8l-4 7z`,
    (x, y) => `M${x - 3} ${y - 3}l6 6M${x - 3} ${y + 3}l6-6`,
];
const PATTERNS = [
    () => [],
    () => [svg("path", {d: "M-1 1l2-2M0 6l6-6M5 7l2-2"})],
    () => [svg("path", {d: "M1.5 1.5v.01M4.5 4.5v.01", class: "dots"})],
    () => [svg("path", {d: "M0 1.5h6M0 4.5h6"})],
    () => [svg("path", {d: "M0 0l6 6M6 0l-6 6"})],
    () => [svg("path", {d: "M3 0v6"})],
];

export function patterns(prefix) {
    return svg(
        "defs",
        {},
        PATTERNS.map((make, i) =>
            svg(
                "pattern",
                {
                    id: `${prefix}-${i}`,
                    class: `pattern series-${i + 1}`,
                    width: 6,
                    height: 6,
                    patternUnits: "userSpaceOnUse",
                },
                svg("rect", {width: 6, height: 6, class: make().length ? "tint" : "full"}),
                make(),
            ),
        ),
    );
}

/** The mark of a series beside its name. */
export function swatch(kind, i, prefix) {
    const shape =
        kind === "columns"
            ? svg("rect", {
                  x: 1,
                  y: 1,
                  width: 14,
                  height: 10,
                  fill: `url(#${prefix}-${i})`,
                  class: "column",
              })
            : [
                  svg("path", {class: `line dash-${i + 1}`, d: "M0 6h22"}),
                  svg("path", {class: "marker", d: MARKERS[i](11, 6)}),
              ];
    return svg(
        "svg",
        {
            class: `swatch series-${i + 1}`,
            width: kind === "columns" ? 16 : 22,
            height: 12,
            "aria-hidden": "true",
        },
        shape,
    );
}
