// Makes a picture of the browser small: the 255 colours it has most of in a palette, the others by
// the nearest of them. For pictures of text and lines, as ours are, nobody sees the difference.
import {deflateSync, inflateSync} from "node:zlib";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const COLOURS = 256;

function* chunks(png) {
    for (let at = 8; at < png.length;) {
        const length = png.readUInt32BE(at);
        yield {
            type: png.toString("latin1", at + 4, at + 8),
            data: png.subarray(at + 8, at + 8 + length),
        };
        at += length + 12;
    }
}

function paeth(a, b, c) {
    const p = a + b - c;
    const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/** {width, height, bytes, pixels} of an 8-bit RGB or RGBA picture (PNG specification, clause 9). */
function decode(png) {
    const all = [...chunks(png)];
    const head = all.find((c) => c.type === "IHDR").data;
    const [width, height, depth, colour] = [
        head.readUInt32BE(0),
        head.readUInt32BE(4),
        head[8],
        head[9],
    ];
    if (depth !== 8 || ![2, 6].includes(colour) || head[12] !== 0)
        throw new Error("not a picture of the browser");
    const bytes = colour === 6 ? 4 : 3;
    const data = inflateSync(
        Buffer.concat(all.filter((c) => c.type === "IDAT").map((c) => c.data)),
    );
    const line = width * bytes;
    const pixels = Buffer.alloc(line * height);
    for (let y = 0; y < height; y++) {
        const filter = data[y * (line + 1)];
        for (let x = 0; x < line; x++) {
            const at = y * line + x;
            const left = x >= bytes ? pixels[at - bytes] : 0;
            const up = y > 0 ? pixels[at - line] : 0;
            const corner = x >= bytes && y > 0 ? pixels[at - line - bytes] : 0;
            const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
            pixels[at] = data[y * (line + 1) + 1 + x] + guess;
        }
    }
    return {width, height, bytes, pixels};
}

const distance = (a, b) =>
    ((a >> 16) - (b >> 16)) ** 2 +
    (((a >> 8) & 255) - ((b >> 8) & 255)) ** 2 +
    ((a & 255) - (b & 255)) ** 2;

/** The colours of most pixels, no two of which are almost the same. */
function paletteOf(counts) {
    const sorted = [...counts].sort((a, b) => b[1] - a[1]).map(([colour]) => colour);
    const palette = [];
    for (const apart of [60, 0])
        for (const colour of sorted) {
            if (palette.length === COLOURS) return palette;
            if (palette.every((p) => distance(p, colour) > apart)) palette.push(colour);
        }
    return palette;
}

function crc(data) {
    let c = 0xffffffff;
    for (const byte of data) {
        c ^= byte;
        for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    }
    return (c ^ 0xffffffff) >>> 0;
}

function chunk(type, data) {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc(body));
    return Buffer.concat([length, body, sum]);
}

export function shrink(png) {
    const {width, height, bytes, pixels} = decode(png);
    const counts = new Map();
    const colourAt = (i) => (pixels[i] << 16) | (pixels[i + 1] << 8) | pixels[i + 2];
    for (let i = 0; i < pixels.length; i += bytes)
        counts.set(colourAt(i), (counts.get(colourAt(i)) ?? 0) + 1);
    const palette = paletteOf(counts);
    const nearest = new Map();
    for (const colour of counts.keys()) {
        let best = 0;
        for (let k = 1; k < palette.length; k++)
            if (distance(palette[k], colour) < distance(palette[best], colour)) best = k;
        nearest.set(colour, best);
    }
    const lines = Buffer.alloc((width + 1) * height);
    for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
            lines[y * (width + 1) + 1 + x] = nearest.get(colourAt((y * width + x) * bytes));
    const head = Buffer.alloc(13);
    head.writeUInt32BE(width, 0);
    head.writeUInt32BE(height, 4);
    head.set([8, 3, 0, 0, 0], 8);
    const colours = Buffer.from(palette.flatMap((c) => [c >> 16, (c >> 8) & 255, c & 255]));
    return Buffer.concat([
        SIGNATURE,
        chunk("IHDR", head),
        chunk("PLTE", colours),
        chunk("IDAT", deflateSync(lines, {level: 9, memLevel: 9})),
        chunk("IEND", Buffer.alloc(0)),
    ]);
}
