// What was said: messages and their parts out of a span's input and output, in one form whatever
// form the program used (OpenTelemetry GenAI as captured; OpenAI's and Anthropic's as programs hand
// them over), with each tool call beside its result. Pure; all of it may be hostile.

import {isObject, unwrapped} from "./span_facts.js";

const MEDIA = {
    image_url: "image", input_image: "image", image: "image", input_audio: "audio", audio: "audio",
    document: "document", input_file: "document", video: "video",
};

function textOf(value) {
    return typeof value === "string" ? value : null;
}

function callPart(part, name, args, server = false) {
    return {kind: "tool_call", id: textOf(part.call_id ?? part.id), name: textOf(name), args: unwrapped(args),
            server, result: null};
}

function resultPart(id, part, value, server = false) {
    return {kind: "tool_result", id: textOf(id), name: textOf(part.name), value: unwrapped(value), server,
            failed: part.is_error === true, call: null};
}

// A data: URL is told by its type and size; where it points to by its text.
function dataUrl(url) {
    const found = /^data:([^;,]{0,100})[^,]{0,200},/.exec(url);
    if (found === null) return {uri: url};
    return {mime: found[1], size: Math.floor((url.length - found[0].length) / 4 * 3)};
}

function mediaPart(part, modality) {
    const content = textOf(part.content) ?? textOf(part.data);
    const source = isObject(part.source) ? part.source : {};
    const audio = isObject(part.input_audio) ? part.input_audio : {};
    const image = isObject(part.image_url) ? part.image_url.url : part.image_url;
    const uri = textOf(part.uri) ?? textOf(image) ?? textOf(source.url) ?? textOf(part.url);
    const base64 = content ?? textOf(source.data) ?? textOf(audio.data);
    const size = typeof part.size === "number" ? part.size : null;
    return {kind: "media", modality: textOf(part.modality) ?? modality,
            mime: textOf(part.mime_type) ?? textOf(source.media_type) ?? textOf(audio.format),
            size: size ?? (base64 === null ? null : Math.floor(base64.length / 4 * 3)),
            file: textOf(part.file_id) ?? textOf(source.file_id) ?? textOf(part.file?.file_id),
            filename: textOf(part.filename) ?? textOf(part.file?.filename),
            transcript: textOf(part.transcript), uri: null, ...(uri === null ? {} : dataUrl(uri))};
}

const KINDS = {
    text: (p) => ({kind: "text", text: p.content ?? p.text}),
    input_text: (p) => ({kind: "text", text: p.text}),
    output_text: (p) => ({kind: "text", text: p.text}),
    reasoning: (p) => ({kind: "reasoning", text: p.content ?? p.text ?? p.summary}),
    thinking: (p) => ({kind: "reasoning", text: p.content ?? p.thinking}),
    redacted_thinking: () => ({kind: "reasoning", text: "[redacted]"}),
    refusal: (p) => ({kind: "refusal", text: p.content ?? p.refusal}),
    tool_call: (p) => callPart(p, p.name, p.arguments ?? p.args),
    tool_use: (p) => callPart(p, p.name, p.input),
    function_call: (p) => callPart(p, p.name, p.arguments),
    function: (p) => callPart(p, p.function?.name, p.function?.arguments),
    server_tool_call: (p) => callPart(p, p.name, p.server_tool_call?.input ?? p.server_tool_call, true),
    tool_call_response: (p) => resultPart(p.id, p, p.response ?? p.result ?? p.content),
    tool_result: (p) => resultPart(p.tool_use_id ?? p.id, p, p.content),
    function_call_output: (p) => resultPart(p.call_id, p, p.output),
    server_tool_call_response: (p) => resultPart(
        p.id, p, p.server_tool_call_response?.content ?? p.server_tool_call_response, true),
};

/** One part of a message. A text that is not text (a number, an object) is shown as JSON. */
export function partOf(part) {
    if (typeof part === "string") return {kind: "text", text: part};
    if (!isObject(part)) return {kind: "json", value: part};
    const type = textOf(part.type) ?? (typeof part.text === "string" ? "text" : "");
    if (Object.hasOwn(KINDS, type)) {
        const made = KINDS[type](part);
        if (!("text" in made) || typeof made.text === "string") return made;
        return {kind: made.kind === "text" ? "json" : made.kind, value: made.text};
    }
    if (Object.hasOwn(MEDIA, type) || part.modality !== undefined) return mediaPart(part, MEDIA[type]);
    return {kind: "json", value: part};
}

function partsOf(content) {
    if (content === null || content === undefined || content === "") return [];
    return Array.isArray(content) ? content.map(partOf) : [partOf(content)];
}

// OpenAI's own form: calls beside the content, results as messages of the role tool.
function besideContent(message) {
    const parts = [];
    if (typeof message.reasoning_content === "string" && message.reasoning_content !== "") {
        parts.push({kind: "reasoning", text: message.reasoning_content});
    }
    if (Array.isArray(message.tool_calls)) {
        for (const call of message.tool_calls) {
            if (isObject(call)) parts.push(callPart(call, call.function?.name ?? call.name,
                                                    call.function?.arguments ?? call.args));
        }
    }
    if (typeof message.refusal === "string" && message.refusal !== "") {
        parts.push({kind: "refusal", text: message.refusal});
    }
    return parts;
}

function messageOf(message, side) {
    if (!isObject(message)) return {role: side === "input" ? "user" : "assistant", finish: null,
                                    side, parts: [partOf(message)]};
    const role = textOf(message.role) ?? textOf(message.type) ?? "?";
    const content = message.parts ?? message.content;
    const parts = typeof message.tool_call_id === "string"
        ? [resultPart(message.tool_call_id, message, content)] : partsOf(content);
    return {role, finish: textOf(message.finish_reason), side, parts: [...parts, ...besideContent(message)]};
}

const SYSTEM = new Set(["system", "developer"]);

export function isSystem(message) {
    return SYSTEM.has(message.role);
}

// Calls that wait for their result, by id; without ids the one who was asked first.
class Waiting {
    #byId = new Map();

    add(call) {
        const key = call.id ?? "";
        const line = this.#byId.get(key);
        if (line === undefined) this.#byId.set(key, [call]);
        else line.push(call);
    }

    take(result) {
        const line = this.#byId.get(result.id ?? "") ?? [];
        const named = result.id === null && result.name !== null
            ? line.findIndex((call) => call.name === result.name) : 0;
        return line.splice(Math.max(named, 0), 1)[0] ?? null;
    }
}

/** Gives each tool call its result and each result its call. */
export function pairTools(messages) {
    const waiting = new Waiting();
    for (const message of messages) {
        for (const part of message.parts) {
            if (part.kind === "tool_call") waiting.add(part);
            if (part.kind !== "tool_result") continue;
            part.call = waiting.take(part);
            if (part.call !== null) part.call.result = part;
        }
    }
    return messages;
}

function messagesOf(data, side) {
    if (!isObject(data)) return [];
    const messages = [];
    const system = data.system_instructions ?? (Array.isArray(data.messages) ? data.system : undefined);
    if (system !== undefined && system !== null) {
        messages.push({role: "system", finish: null, side, parts: partsOf(unwrapped(system))});
    }
    const said = unwrapped(data.messages);
    if (Array.isArray(said)) for (const message of said) messages.push(messageOf(message, side));
    return messages;
}

const OWN = new Set(["messages", "system_instructions", "system", "parameters", "tools", "llm_tracer"]);

// What is no conversation: the members beside it, or all of them.
function othersOf(data, hasMessages) {
    if (data === null || data === undefined) return null;
    if (!isObject(data)) return {value: data};
    const others = Object.entries(data).filter(([name]) =>
        (hasMessages ? !OWN.has(name) : name !== "llm_tracer"));
    return others.length > 0 ? Object.fromEntries(others) : null;
}

/** A span's content: {messages (input's, then output's), tools, parameters, input, output}; the
 *  last two are what is no conversation, or null. */
export function conversationOf(span) {
    const input = unwrapped(span.input_data);
    const output = unwrapped(span.output_data);
    const before = messagesOf(input, "input");
    const after = messagesOf(output, "output");
    const spoken = before.length > 0 && isObject(input);
    const tools = spoken ? unwrapped(input.tools) : null;
    const parameters = spoken || captured(span) ? unwrapped(input?.parameters) : null;
    return {
        messages: pairTools([...before, ...after]),
        tools: Array.isArray(tools) ? tools : [],
        parameters: isObject(parameters) ? parameters : null,
        input: othersOf(input, before.length > 0 || captured(span)),
        output: othersOf(output, after.length > 0),
    };
}

function captured(span) {
    return isObject(span.metadata) && span.metadata.capture !== undefined && isObject(span.input_data);
}

/** The text of a message: its text parts, one below the other. */
export function plainText(message) {
    return message.parts.filter((p) => p.kind === "text" || p.kind === "refusal")
        .map((p) => p.text).join("\n\n");
}

const SIMPLE = ["output", "answer", "text", "content", "result", "response", "completion"];

/** What a span answered in one text, or null: its messages' text, or a lone member's. */
export function answerOf(span) {
    const {messages, output} = conversationOf({input_data: null, output_data: span.output_data,
                                               metadata: span.metadata});
    const text = messages.map(plainText).filter((t) => t !== "").join("\n\n");
    return text !== "" ? text : memberText(output, SIMPLE);
}

/** What a span was asked last, or null: the last user message's text. */
export function questionOf(span) {
    const {messages, input} = conversationOf({input_data: span.input_data, output_data: null,
                                              metadata: span.metadata});
    for (let i = messages.length - 1; i >= 0; i--) {
        if (messages[i].role === "user" && plainText(messages[i]) !== "") return plainText(messages[i]);
    }
    return memberText(input, ["input", "question", "query", "prompt", "message", ...SIMPLE]);
}

function memberText(members, names) {
    if (!isObject(members)) return null;
    for (const name of names) {
        if (typeof members[name] === "string" && members[name] !== "") return members[name];
    }
    const values = Object.values(members);
    return values.length === 1 && typeof values[0] === "string" ? values[0] : null;
}
