// Records golden cases of calls that a vendor's SDK makes to npm @copilotkit/aimock, through a proxy
// that writes down the bytes of both sides:
//   npm install @copilotkit/aimock openai@6 @anthropic-ai/sdk ollama    (anywhere)
//   node record.mjs FOLDER_WITH_NODE_MODULES OUTPUT_FOLDER
// Then `golden --update`, and a look at what came out.
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, output] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(modules, 'x.js')));
const { LLMock } = require('@copilotkit/aimock');
const OpenAI = require('openai');
const Anthropic = require('@anthropic-ai/sdk');
const { Ollama } = require('ollama');
const version = (name) =>
  JSON.parse(readFileSync(join(modules, 'node_modules', name, 'package.json'))).version;

const mock = new LLMock({ port: 0 });
mock.onMessage('hello', { content: 'Hi there, how can I help?' });
mock.onMessage('think', { content: 'It is 4.', reasoning: 'Two and two make four.' });
mock.onMessage('weather', { toolCalls: [{ name: 'get_weather', arguments: { city: 'Paris' } }] });
mock.onMessage('fail', { error: { message: 'Rate limited', type: 'rate_limit_error' }, status: 429 });
mock.onMessage('cut', { content: 'A long tale that will never be told to its very end.' },
  { truncateAfterChunks: 2 });
await mock.start();
const target = Number(new URL(mock.url).port);

// One exchange a connection: bytes of both sides, those of the answer with their times.
async function record(call) {
  const sent = [], received = [];
  const proxy = createServer((client) => {
    const server = connect(target, '127.0.0.1');
    client.on('data', (data) => { sent.push(data); server.write(data); });
    server.on('data', (data) => { received.push([Date.now(), data]); client.write(data); });
    const end = () => { client.destroy(); server.destroy(); };
    for (const socket of [client, server]) { socket.on('close', end); socket.on('error', end); }
  });
  await new Promise((done) => proxy.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${proxy.address().port}`;
  try { await call(url); } catch (error) { console.log(`  (${error.message})`); }
  await new Promise((done) => setTimeout(done, 50));
  proxy.close();
  return { request: Buffer.concat(sent), received };
}

function split(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  return [bytes.subarray(0, end).toString(), bytes.subarray(end + 4)];
}
// Field names in lower case; lengths are worked out again by the runner.
function head(text, length) {
  const [first, ...fields] = text.split('\r\n');
  return [first, ...fields.map((f) => f.replace(/^[^:]+/, (n) => n.toLowerCase()))
    .filter((f) => length || !/^(content-length|date|connection|keep-alive):/.test(f))].join('\n');
}
function chunks(body) {
  const out = [];
  let whole = false;
  while (body.length) {
    const end = body.indexOf('\r\n');
    const size = end < 0 ? NaN : parseInt(body.subarray(0, end).toString(), 16);
    if (Number.isNaN(size)) break;
    if (size === 0) { whole = true; break; }
    out.push(body.subarray(end + 2, end + 2 + size).toString());
    body = body.subarray(end + 4 + size);
  }
  return [out, whole];
}
function write(name, comment, sdk, { request, received }) {
  const [requestHead, requestBody] = split(request);
  const [responseHead, responseBody] = split(Buffer.concat(received.map(([, data]) => data)));
  const host = /\r\nhost: ([^\r]+)/i.exec(requestHead)[1];
  const fixed = head(requestHead, false).replaceAll(host, 'localhost:4010');
  const chunked = /transfer-encoding: chunked/i.test(responseHead);
  const [pieces, whole] = chunked ? chunks(responseBody) : [[responseBody.toString()], true];
  const text = [
    `# ${comment}`,
    `# Recorded: npm ${sdk} ${version(sdk)} against npm @copilotkit/aimock ${version('@copilotkit/aimock')}.`,
    '@@ options host=localhost:4010 tls=no', '@@ request', fixed, '', requestBody.toString(),
    '@@ response', head(responseHead, false), '',
    pieces.map((p) => (p.endsWith('\n') ? p : `${p}\n`)).join('@@ +5ms\n') +
    (whole ? '' : '@@ close\n') + '@@ call\n',
  ].join('\n');
  writeFileSync(join(output, `${name}.txt`), text);
  console.log(name);
}

const messages = (text) => [{ role: 'user', content: text }];
const tools = [{ type: 'function', function: { name: 'get_weather', description: 'Current weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
const drain = async (stream) => { for await (const _ of stream); };
const openai = (url) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-recorded', maxRetries: 0 });
const anthropic = (url) => new Anthropic({ baseURL: url, apiKey: 'sk-ant-recorded', maxRetries: 0 });
const ollama = (url) => new Ollama({ host: url });
const usage = { stream_options: { include_usage: true } };

const cases = [
  ['openai_chat', 'openai', 'A chat completion.', (u) =>
    openai(u).chat.completions.create({ model: 'gpt-4o', messages: messages('hello') })],
  ['openai_chat_stream', 'openai', 'A streamed chat with usage.', async (u) =>
    drain(await openai(u).chat.completions.create({ model: 'gpt-4o', messages: messages('hello'), stream: true, ...usage }))],
  ['openai_chat_tools_stream', 'openai', 'A streamed tool call.', async (u) =>
    drain(await openai(u).chat.completions.create({ model: 'gpt-4o', messages: messages('weather'), tools, stream: true, ...usage }))],
  ['openai_chat_429', 'openai', 'A rate limit.', (u) =>
    openai(u).chat.completions.create({ model: 'gpt-4o', messages: messages('fail') })],
  ['openai_chat_cut', 'openai', 'A stream that the server breaks off.', async (u) =>
    drain(await openai(u).chat.completions.create({ model: 'gpt-4o', messages: messages('cut'), stream: true }))],
  ['openai_responses', 'openai', 'Responses.', (u) =>
    openai(u).responses.create({ model: 'gpt-4o', input: 'hello' })],
  ['openai_responses_stream', 'openai', 'Responses, streamed, with reasoning.', async (u) =>
    drain(await openai(u).responses.create({ model: 'o4-mini', input: 'think', stream: true }))],
  ['openai_responses_tools_stream', 'openai', 'Responses, a streamed tool call.', async (u) =>
    drain(await openai(u).responses.create({ model: 'gpt-4o', input: 'weather', stream: true,
      tools: [{ type: 'function', ...tools[0].function, strict: false }] }))],
  ['openai_embeddings', 'openai', 'Embeddings, base64 as the SDK asks for.', (u) =>
    openai(u).embeddings.create({ model: 'text-embedding-3-small', input: 'hello' })],
  ['anthropic_messages', '@anthropic-ai/sdk', 'A message.', (u) =>
    anthropic(u).messages.create({ model: 'claude-sonnet-4-5', max_tokens: 64, messages: messages('hello') })],
  ['anthropic_stream', '@anthropic-ai/sdk', 'A streamed message with thinking.', async (u) =>
    drain(await anthropic(u).messages.create({ model: 'claude-sonnet-4-5', max_tokens: 64, messages: messages('think'), stream: true }))],
  ['anthropic_tools_stream', '@anthropic-ai/sdk', 'A streamed tool call.', async (u) =>
    drain(await anthropic(u).messages.create({ model: 'claude-sonnet-4-5', max_tokens: 64, messages: messages('weather'), stream: true,
      tools: [{ name: 'get_weather', input_schema: tools[0].function.parameters }] }))],
  ['anthropic_429', '@anthropic-ai/sdk', 'A rate limit.', (u) =>
    anthropic(u).messages.create({ model: 'claude-sonnet-4-5', max_tokens: 64, messages: messages('fail') })],
  ['ollama_chat', 'ollama', 'A chat, not streamed.', (u) =>
    ollama(u).chat({ model: 'llama3.2', messages: messages('hello') })],
  ['ollama_chat_stream', 'ollama', 'A streamed chat.', async (u) =>
    drain(await ollama(u).chat({ model: 'llama3.2', messages: messages('hello'), stream: true }))],
  ['ollama_generate_stream', 'ollama', 'A streamed prompt.', async (u) =>
    drain(await ollama(u).generate({ model: 'llama3.2', prompt: 'hello', stream: true }))],
  ['ollama_embed', 'ollama', 'Embeddings.', (u) =>
    ollama(u).embed({ model: 'all-minilm', input: 'hello' })],
];
for (const [name, sdk, comment, call] of cases) write(name, comment, sdk, await record(call));
await mock.stop();
process.exit(0);
