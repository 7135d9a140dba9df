// A captured call as a curl command that can be tried again: the body made anew out of messages,
// tools and parameters in the provider's own form, the key left to the variable API_KEY. Pure.

import {conversationOf} from "./conversation_model.js";
import {isObject, spanFacts} from "./span_facts.js";

const ARGUMENT_MAX = 100000; // Linux takes 128 KB in one argument

/** A text as one word of a POSIX shell. */
export function shellQuote(text) {
    return `'${text.replaceAll("'", `'\\''`)}'`;
}

// Marks that turn text around, and control characters: escaped, so that the line reads as it runs.
const UNSEEN = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

function printed(body) {
    return JSON.stringify(body, null, 2)
        .replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function toText(value) {
    return typeof value === "string" ? value : JSON.stringify(value ?? null);
}

function joined(parts, notes) {
    const texts = [];
    for (const part of parts) {
        if (part.kind === "text" || part.kind === "refusal") texts.push(part.text ?? toText(part.value));
        else if (part.kind === "media") notes.add(`${part.modality ?? "media"} content is left out`);
        else if (part.kind === "json") notes.add("parts of an unknown kind are left out");
    }
    return texts.join("\n\n");
}

const calls = (message) => message.parts.filter((part) => part.kind === "tool_call" && !part.server);
const results = (message) => message.parts.filter((part) => part.kind === "tool_result" && !part.server);

// Results and what a person says may stand in one message (Anthropic's form).
function spoken(message) {
    return results(message).length === 0
        || message.parts.some((part) => part.kind === "text" || part.kind === "media");
}

function openaiContent(message, notes) {
    const images = message.parts.filter((part) => part.kind === "media" && part.modality === "image"
                                                  && part.uri !== null);
    const rest = message.parts.filter((part) => !images.includes(part));
    const text = joined(rest, notes);
    if (images.length === 0) return text;
    return [...(text === "" ? [] : [{type: "text", text}]),
            ...images.map((part) => ({type: "image_url", image_url: {url: part.uri}}))];
}

function openaiMessages(messages, notes) {
    const list = [];
    for (const message of messages) {
        for (const part of results(message)) {
            list.push({role: "tool", tool_call_id: part.id ?? "", content: toText(part.value)});
        }
        if (!spoken(message)) continue;
        const made = {role: message.role, content: openaiContent(message, notes)};
        if (calls(message).length > 0) {
            if (made.content === "") made.content = null;
            made.tool_calls = calls(message).map((part) => ({
                id: part.id ?? "", type: "function",
                function: {name: part.name ?? "", arguments: toText(part.args ?? {})}}));
        }
        list.push(made);
    }
    return list;
}

const functionTools = (tools) => tools.map((tool) => {
    const {type, ...definition} = isObject(tool) ? tool : {};
    return type === "function" || type === undefined ? {type: "function", function: definition} : tool;
});

function withTools(body, tools, form) {
    return tools.length > 0 ? {...body, tools: form(tools)} : body;
}

function openaiChat({messages, tools}, notes) {
    return withTools({messages: openaiMessages(messages, notes)}, tools, functionTools);
}

function responsesItems(message, notes) {
    const items = results(message).map((part) => ({
        type: "function_call_output", call_id: part.id ?? "", output: toText(part.value)}));
    const text = joined(message.parts, notes);
    if (text !== "") items.push({role: message.role, content: text});
    for (const part of calls(message)) {
        items.push({type: "function_call", call_id: part.id ?? "", name: part.name ?? "",
                    arguments: toText(part.args ?? {})});
    }
    return items;
}

function openaiResponses({messages, tools}, notes) {
    return withTools({input: messages.flatMap((m) => responsesItems(m, notes))}, tools, (list) => list);
}

function anthropicBlocks(message, notes) {
    const blocks = results(message).map((part) => ({
        type: "tool_result", tool_use_id: part.id ?? "", content: toText(part.value),
        ...(part.failed ? {is_error: true} : {})}));
    const text = joined(message.parts, notes);
    if (text !== "") blocks.push({type: "text", text});
    for (const part of calls(message)) {
        blocks.push({type: "tool_use", id: part.id ?? "", name: part.name ?? "",
                     input: isObject(part.args) ? part.args : {}});
    }
    return blocks;
}

const anthropicTools = (tools) => tools.map((tool) => {
    if (!isObject(tool) || (tool.type !== undefined && tool.type !== "function")) return tool;
    const {type, parameters, ...rest} = tool;
    return {...rest, input_schema: parameters ?? {type: "object"}};
});

function anthropicMessages({messages, tools}, notes) {
    const system = messages.filter((m) => m.role === "system").map((m) => joined(m.parts, notes));
    const body = {messages: messages.filter((m) => m.role !== "system").map((m) => {
        const blocks = anthropicBlocks(m, notes);
        const plain = blocks.length === 1 && blocks[0].type === "text";
        return {role: m.role === "tool" ? "user" : m.role, content: plain ? blocks[0].text : blocks};
    })};
    if (system.length > 0) body.system = system.join("\n\n");
    return withTools(body, tools, anthropicTools);
}

function ollamaChat({messages, tools}, notes) {
    const list = messages.flatMap((message) => {
        const answers = results(message).map((part) => ({role: "tool", content: toText(part.value)}));
        if (!spoken(message)) return answers;
        const made = {role: message.role, content: joined(message.parts, notes)};
        if (calls(message).length > 0) {
            made.tool_calls = calls(message).map((part) => ({
                function: {name: part.name ?? "", arguments: part.args ?? {}}}));
        }
        return [...answers, made];
    });
    return withTools({messages: list}, tools, functionTools);
}

function prompt({messages}, notes) {
    const said = messages.filter((m) => m.role !== "system").map((m) => joined(m.parts, notes));
    const system = messages.filter((m) => m.role === "system").map((m) => joined(m.parts, notes));
    return {prompt: said.length === 1 ? said[0] : said,
            ...(system.length > 0 ? {system: system.join("\n\n")} : {})};
}

// The inputs of embeddings stand in the span as they were sent.
function inputs({input}) {
    return input ?? {};
}

const APIS = {
    "openai.chat": {path: "/v1/chat/completions", body: openaiChat},
    "openai.responses": {path: "/v1/responses", body: openaiResponses},
    "openai.completions": {path: "/v1/completions", body: prompt},
    "openai.embeddings": {path: "/v1/embeddings", body: inputs},
    "anthropic.messages": {path: "/v1/messages", body: anthropicMessages},
    "ollama.chat": {path: "/api/chat", body: ollamaChat, streams: true},
    "ollama.generate": {path: "/api/generate", body: prompt, streams: true},
    "ollama.embed": {path: "/api/embed", body: inputs},
    "ollama.embeddings": {path: "/api/embeddings", body: inputs},
};

function baseUrl(facts, notes) {
    const host = facts.server_address;
    if (host === null || !/^[A-Za-z0-9.:_[\]-]{1,253}$/.test(host)) {
        notes.add("the address was not seen");
        return "https://HOST";
    }
    const plain = facts.capture?.route === "libc";
    const port = facts.server_port;
    const usual = port === null || port === (plain ? 80 : 443);
    const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
    return `${plain ? "http" : "https"}://${name}${usual ? "" : `:${port}`}`;
}

function urlOf(facts, api, notes) {
    const path = facts.url_path !== null && facts.url_path.startsWith("/") ? facts.url_path : api.path;
    if (path.includes("***")) notes.add("a secret in the URL is left out");
    return baseUrl(facts, notes) + path.replaceAll(UNSEEN, "").replaceAll(/[\s\u0000-\u001f]/g, "");
}

// Written for double quotes: only $API_KEY is the shell's.
function keyHeader(facts) {
    if (facts.api.startsWith("ollama.")) return [];
    if (facts.provider === "anthropic" || facts.api === "anthropic.messages") {
        return ["\"x-api-key: $API_KEY\""];
    }
    if ((facts.provider ?? "").startsWith("azure")) return ["\"api-key: $API_KEY\""];
    return ["\"Authorization: Bearer $API_KEY\""];
}

function headersOf(facts) {
    const list = ["'Content-Type: application/json'", ...keyHeader(facts)];
    if (facts.api === "anthropic.messages") {
        const version = /^[\w.-]{1,40}$/.test(facts.anthropic_version ?? "")
            ? facts.anthropic_version : "2023-06-01";
        list.push(`'anthropic-version: ${version}'`);
    }
    return list;
}

function bodyOf(span, facts, api, notes) {
    const said = conversationOf({...span, output_data: null});
    const parameters = isObject(span.input_data?.parameters) ? span.input_data.parameters : {};
    const body = {...api.body(said, notes), ...parameters};
    if (span.input_data === null || span.input_data === undefined) notes.add("the prompt was not kept");
    if (said.messages.some((m) => m.parts.some((p) => p.kind === "reasoning"))) {
        notes.add("earlier reasoning is left out");
    }
    const model = facts.request_model ?? facts.model;
    const streaming = facts.stream === true ? {stream: true} : {};
    return {...(model === null ? {} : {model}), ...body,
            ...(api.streams && facts.stream === false ? {stream: false} : streaming)};
}

// A long body comes by a here-document; a line of pretty JSON never is its mark.
function command(url, headers, body) {
    const lines = [`curl --globoff ${shellQuote(url)}`, ...headers.map((header) => `  -H ${header}`)];
    if (body.length > ARGUMENT_MAX) {
        return `${[...lines, "  --data-binary @- <<'END_OF_BODY'"].join(" \\\n")}\n${body}\nEND_OF_BODY\n`;
    }
    return `${[...lines, `  --data-raw ${shellQuote(body)}`].join(" \\\n")}\n`;
}

/** Whether the span is a call of an API that is known here. */
export function hasCurl(span) {
    return Object.hasOwn(APIS, spanFacts(span).api ?? "");
}

/** {text, notes} of a captured call; null for a span that is none. The command is always made
 *  anew, never a copy; notes say what is not in it. */
export function curlOf(span) {
    if (!hasCurl(span)) return null;
    const facts = spanFacts(span);
    const notes = new Set();
    const api = APIS[facts.api];
    const body = printed(bodyOf(span, facts, api, notes));
    return {text: command(urlOf(facts, api, notes), headersOf(facts), body), notes: [...notes]};
}
