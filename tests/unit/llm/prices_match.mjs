// See prices_match.sh. Random, but the same each time.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { calcPrice } from '@pydantic/genai-prices';

const [program, file] = process.argv.slice(2);
const table = JSON.parse(readFileSync(file, 'utf8'));
const OURS = ['input_mtok', 'output_mtok', 'cache_read_mtok', 'cache_write_mtok',
  'cache_write_1h_mtok', 'input_audio_mtok', 'output_audio_mtok', 'output_reasoning_mtok',
  'web_searches_kcount', 'requests_kcount'];

let seed = 20260901;
function random(n) {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return Math.floor((seed / 4294967296) * n);
}
const pick = (list) => list[random(list.length)];

// A name that the model's rule may match: a word of the rule, changed a little at times.
function words(rule) {
  const [[kind, word]] = Object.entries(rule);
  if (kind === 'or' || kind === 'and') return word.flatMap(words);
  return kind === 'regex' || kind === 'not' ? [] : [word];
}
function modelName(model) {
  const name = pick([model.id, ...words(model.match)]);
  return pick([
    () => name, () => name, () => name, () => name.toUpperCase(), () => ` ${name} `,
    () => `${name}-2025-04-14`, () => `${name}-20260214`, () => `${name}-20260231`,
    () => `${name}-tts`, () => `us.anthropic.${name}-v1:0`, () => `x-${name}`,
    () => `ft:${name}:org::id`,
  ])();
}
function usage() {
  const input = pick([random(100), random(5000), random(300000), random(1200000), 128000, 200000,
    200001, 272000, 271999, 272001]);
  const output = random(pick([10, 3000, 100000]));
  const part = (whole, chance) => (random(100) < chance ? random(whole + 1) : 0);
  const read = part(input, 50);
  const write = part(input - read, 30);
  const audio = read ? 0 : part(input - write, 20);
  const reasoning = part(output, 30);
  return { input_tokens: input, output_tokens: output, cache_read_tokens: read,
    cache_write_tokens: write, cache_write_1h_tokens: part(write, 50),
    output_reasoning_tokens: reasoning, input_audio_tokens: write ? 0 : audio,
    output_audio_tokens: reasoning ? 0 : part(output, 20), web_searches: random(4) };
}

const cases = [];
const START = Date.UTC(2025, 0, 1), SPAN = 3 * 365 * 86400000;
for (const provider of table.providers) {
  for (const model of provider.models) cases.push([provider.id, modelName(model), usage()]);
  for (const model of provider.models) if (Array.isArray(model.prices))
    for (let i = 0; i < 12; i++) cases.push([provider.id, model.id, usage()]);
}
const openai = table.providers.find((p) => p.id === 'openai').models;
const claude = table.providers.find((p) => p.id === 'anthropic').models;
for (let i = 0; i < 300; i++) {
  cases.push(['azure', modelName(pick([...openai, ...claude])), usage()]);
  cases.push(['google', modelName(pick(claude)), usage()]);
  cases.push([pick(['my-openai', 'vertex-eu', 'together_ai', 'xai', 'nobody', 'amazon-x']),
    modelName(pick(openai)), usage()]);
}
for (const c of cases) c.push(START + random(SPAN / 1000) * 1000);

// A usage that contradicts itself, and a model without a price for tokens, are unknown to us.
function theirs([providerId, model, usage, time]) {
  let result;
  try {
    result = calcPrice(usage, model, { providerId, timestamp: new Date(time) });
  } catch (error) {
    return /overlap/.test(error.message) ? null : 'unknown';
  }
  if (!result) return 'unknown';
  const keys = Object.keys(result.model_price);
  if (keys.length && !keys.some((k) => OURS.includes(k))) return 'unknown';
  return result.total_price;
}

const lines = cases.map(([provider, model, u, time]) => [provider, model, u.input_tokens,
  u.output_tokens, u.cache_read_tokens, u.cache_write_tokens, u.cache_write_1h_tokens,
  u.output_reasoning_tokens, u.input_audio_tokens, u.output_audio_tokens, u.web_searches, time]
  .join('\t'));
const ours = execFileSync(program, { input: lines.join('\n') + '\n', maxBuffer: 1 << 26 })
  .toString().trimEnd().split('\n');
let passed = 0, failed = 0, priced = 0, skipped = 0;
cases.forEach((c, i) => {
  const expected = theirs(c);
  if (expected === null) { skipped++; return; }
  const same = expected === 'unknown' ? ours[i] === 'unknown'
    : Math.abs(Number(ours[i]) - expected) <= 1e-9 * Math.max(1e-6, expected);
  if (expected !== 'unknown') priced++;
  if (same) { passed++; return; }
  failed++;
  if (failed <= 10) console.log('differs', lines[i], 'ours', ours[i], 'theirs', expected);
});
console.log(`${priced} with a price`);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed || priced < 300 ? 1 : 0);
