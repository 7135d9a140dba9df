// What was said in a call: messages with their roles, tool calls beside their results, and what is
// long or aside (reasoning, system, tools offered) folded.

import {append, copyButton, el, icon, replace} from "./dom.js";
import {bytes, cut, plural} from "./format.js";
import {conversationOf, isSystem, plainText} from "./conversation_model.js";
import {copyText, shown, textBlock} from "./conversation_text.js";
import {jsonView} from "./json_view.js";
import {isObject, ownMetadata} from "./span_facts.js";

const LAST_SHOWN = 12; // messages of a long history that are shown at first
const STEP = 40;
const MEMBERS_MAX = 200; // of an object, tools of a list; the tab "JSON" has all of them

/** A text as such, everything else as a tree. */
export function valueView(value, open = 2) {
    return typeof value === "string" ? textBlock(value) : jsonView(value, {open});
}

function textOf(value) {
    return typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "";
}

function firstLine(text) {
    return shown(cut(text.trimStart().split("\n", 1)[0], 90));
}

/** A fold whose content is made when it is first opened. */
export function fold(summary, build, attributes = {}) {
    let built = false;
    const make = () => {
        if (!built) append(details, build());
        built = true;
    };
    const details = el("details", {...attributes, class: `fold ${attributes.class ?? ""}`,
                                   ontoggle: () => { if (details.open) make(); }},
                       el("summary", {}, summary));
    if (attributes.open) make();
    return details;
}

function reasoning(part) {
    const text = part.text ?? textOf(part.value);
    return fold([el("strong", {}, "Reasoning"), ` ${bytes(text.length)} `,
                 el("span", {class: "muted"}, firstLine(text))],
                () => valueView(part.text ?? part.value), {class: "part-reasoning"});
}

function media(part) {
    const facts = [part.mime, part.size === null ? null : bytes(part.size), part.filename, part.file, part.uri];
    return el("div", {class: "part-media"}, el("strong", {}, shown(part.modality ?? "media")),
              facts.filter((fact) => fact !== null && fact !== undefined)
                  .map((fact) => el("span", {class: "media-fact"}, shown(cut(fact, 300)))),
              el("span", {class: "muted"}, "not loaded"),
              part.transcript === null ? null : textBlock(part.transcript));
}

function toolHead(sign, title, part, value) {
    return el("div", {class: "tool-head"}, el("span", {class: "tool-sign", "aria-hidden": "true"}, sign), title,
              part.id === null ? null : el("code", {class: "cut", title: shown(part.id)}, shown(part.id)),
              copyButton("Copy", () => textOf(value)));
}

function toolResult(part) {
    const title = [el("span", {}, part.failed ? "Result: error" : "Result"),
                   part.failed ? icon("error") : null,
                   part.call === null ? el("span", {class: "muted"}, "of a call that is not here") : null];
    return el("div", {class: part.failed ? "tool-result tool-failed" : "tool-result"},
              toolHead("←", title, {id: part.call === null ? part.id : null}, part.value),
              part.value === undefined || part.value === null || part.value === ""
                  ? el("p", {class: "muted"}, "empty") : valueView(part.value));
}

function toolCall(part) {
    const title = [el("strong", {class: "tool-name"}, shown(part.name ?? "?")),
                   part.server ? el("span", {class: "muted"}, "run by the provider") : null];
    const args = part.args ?? {};
    return el("div", {class: "tool"},
              el("div", {class: "tool-call"}, toolHead("→", title, part, args),
                 typeof args === "object" && Object.keys(args).length === 0
                     ? el("p", {class: "muted"}, "no arguments") : valueView(args)),
              part.result === null ? null : toolResult(part.result));
}

const PARTS = {
    text: (part) => textBlock(part.text),
    reasoning,
    refusal: (part) => el("div", {class: "part-refusal"}, el("strong", {}, icon("error"), " Refusal"),
                          valueView(part.text ?? part.value)),
    media,
    tool_call: toolCall,
    tool_result: toolResult,
    json: (part) => jsonView(part.value, {open: 1}),
};

// A result is shown with its call.
function standsAlone(part) {
    return part.kind !== "tool_result" || part.call === null;
}

function systemMessage(message) {
    const text = plainText(message);
    return fold([el("strong", {class: "role"}, shown(message.role)), ` ${bytes(text.length)} `,
                 el("span", {class: "muted"}, firstLine(text))],
                () => message.parts.map((part) => PARTS[part.kind](part)), {class: "message role-system"});
}

const ROLES = new Set(["user", "assistant", "tool"]);

function messageView(message) {
    const parts = message.parts.filter(standsAlone);
    if (parts.length === 0 && message.parts.length > 0) return null;
    if (isSystem(message)) return systemMessage(message);
    const text = plainText(message);
    const odd = message.finish !== null && !["stop", "tool_call"].includes(message.finish);
    return el("article", {class: `message role-${ROLES.has(message.role) ? message.role : "other"}`},
              el("header", {class: "message-head"}, el("strong", {class: "role"}, shown(message.role)),
                 message.finish === null ? null
                     : el("span", {class: odd ? "finish finish-odd" : "finish"},
                          odd ? icon("error") : null, ` ${shown(message.finish)}`),
                 text === "" ? null : copyText(text)),
              parts.length === 0 ? el("p", {class: "muted"}, "nothing") : parts.map((p) => PARTS[p.kind](p)));
}

// A long history shows its end; what is before comes when it is asked for.
function history(messages) {
    const list = el("div", {class: "messages"});
    const system = messages.filter((m, i) => isSystem(m) && i < 3);
    const said = messages.filter((m) => !system.includes(m));
    let from = Math.max(0, said.length - LAST_SHOWN);
    const label = () => `Show ${Math.min(STEP, from)} of ${plural(from, "earlier message")}`;
    const more = el("button", {type: "button", class: "button small", hidden: from === 0, onclick: () => {
        const next = Math.max(0, from - STEP);
        more.after(...said.slice(next, from).map(messageView).filter((view) => view !== null));
        from = next;
        more.hidden = from === 0;
        more.textContent = label();
    }}, label());
    return append(list, system.map(messageView), more, said.slice(from).map(messageView));
}

function toolView(tool) {
    const known = typeof tool === "object" && tool !== null ? tool : {name: String(tool)};
    const definition = known.function ?? known;
    const name = typeof definition.name === "string" ? definition.name : known.type ?? "?";
    const about = typeof definition.description === "string" ? definition.description : "";
    return fold([el("strong", {class: "tool-name"}, shown(String(name))), " ",
                 el("span", {class: "muted"}, firstLine(about))],
                () => [about.length > 90 || about.includes("\n") ? textBlock(about) : null, jsonView(tool, {open: 3})]);
}

function leftOut(count) {
    return count <= MEMBERS_MAX ? null : el("p", {class: "muted"}, `${plural(count - MEMBERS_MAX, "more", "more")}: see JSON`);
}

function toolsView(tools) {
    if (tools.length === 0) return null;
    return fold([el("strong", {}, "Tools offered"), ` ${tools.length} `,
                 el("span", {class: "muted"}, shown(cut(tools.map((t) => t?.function?.name ?? t?.name ?? t?.type ?? "?")
                     .join(", "), 90)))],
                () => [tools.slice(0, MEMBERS_MAX).map(toolView), leftOut(tools.length)], {class: "tools"});
}

// The members of an explicit span's data: texts as texts, the rest as trees.
function membersView(title, data) {
    if (data === null) return null;
    const names = Object.keys(data);
    const lone = names.length === 1 && ["value", "input", "output", "text", "content", "result"].includes(names[0]);
    return el("section", {class: "side"},
              el("header", {class: "side-head"}, el("h3", {}, title),
                 copyButton("Copy", () => textOf(lone ? data[names[0]] : data))),
              lone ? valueView(data[names[0]])
                  : [names.slice(0, MEMBERS_MAX).map((name) => el("div", {class: "member"},
                         el("div", {class: "member-name"}, shown(cut(name, 300))), valueView(data[name]))),
                     leftOut(names.length)]);
}

function parametersView(parameters) {
    const names = parameters === null ? [] : Object.keys(parameters).slice(0, 40);
    if (names.length === 0) return null;
    const simple = (value) => typeof value !== "object" || value === null;
    return el("ul", {class: "parameters", "aria-label": "Parameters"}, names.map((name) => el("li", {},
        el("span", {class: "muted"}, shown(cut(name, 60))), " ",
        simple(parameters[name]) ? el("span", {}, shown(cut(String(parameters[name]), 60)))
            : el("span", {}, shown(cut(JSON.stringify(parameters[name]), 60))))));
}

function section(title, ...children) {
    const content = children.flat().filter((child) => child !== null);
    if (content.length === 0) return null;
    return el("section", {class: "side"}, el("header", {class: "side-head"}, el("h3", {}, title)), content);
}

// Of a captured call it is the provider's, and long: the details have it.
function isCaptured(span) {
    return isObject(span.metadata) && "capture" in span.metadata;
}

function nothing(span) {
    if (!span.end_time && !span.output_data) return "Nothing yet: it is running.";
    return isCaptured(span)
        ? "Nothing was said, or content is not kept (TRACER_CAPTURE_CONTENT=metadata)." : "It has neither input nor output.";
}

/** Fills root with what went in and what came out of a span. */
export function showConversation(root, span) {
    const said = conversationOf(span);
    const input = said.messages.filter((message) => message.side === "input");
    const output = said.messages.filter((message) => message.side === "output");
    const views = [
        section("Input", parametersView(said.parameters), toolsView(said.tools),
                input.length > 0 ? history(input) : null),
        membersView(input.length > 0 ? "More input" : "Input", said.input),
        section("Output", output.length > 0 ? history(output) : null),
        membersView(output.length > 0 ? "More output" : "Output", said.output),
        isCaptured(span) ? null : membersView("Metadata", ownMetadata(span)),
    ].filter((view) => view !== null);
    const pending = !span.end_time && output.length === 0 && said.output === null && views.length > 0;
    replace(root, views.length > 0 ? views : el("p", {class: "muted"}, nothing(span)),
            pending ? el("p", {class: "muted pending"}, icon("running"), " Waiting for the answer…") : null);
}
