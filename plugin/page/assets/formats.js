/**
 * The text in the formats that people save, to the letter as `karalign convert` writes them.
 *
 * @typedef {import("./model.js").Line} Line
 * @typedef {import("./model.js").Tree} Tree
 * @typedef {import("./model.js").Extra} Extra
 * @typedef {{text: string, start: number | null, end: number | null}} Piece
 * @typedef {"line" | "word" | "syllable"} Level
 * @typedef {Line & {start: number, end: number}} Timed
 */
import { closed, isSung, isTimed, trimmed } from "./model.js";

const PAUSE = 4; // seconds of silence after which the text is cleared from the screen
const ENDS = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;
/** @type {[string, string][]} */
const IDS = [["ti", "title"], ["ar", "artist"], ["al", "album"], ["au", "author"], ["by", "by"], ["la", "language"]];
const SINGER = /^\s*(v[0-9]{1,3}|[FMD]):\s*$/;
const TAGS = /<\/?(?:i|b|u|s|font|span|c|v)(?:[\s.][^<>]*)?>|\{\\[^{}]*\}/gi;
const STAMPS = /^(?:\s*\[(?:[0-9]{1,2}:)?[0-9]{1,3}:[0-9]{1,2}(?:[.,][0-9]{1,3})?\])+/;

/** To the nearest whole number, halves to the even one, as Python does. @param {number} value */
function even(value) {
  const near = Math.round(value);
  return Math.abs(value % 1) === 0.5 && near % 2 ? near - 1 : near;
}

/** @param {string} text */
const oneRow = (text) => text.replace(ENDS, " ");
/** @param {number} value */
const two = (value) => String(value).padStart(2, "0");
/** @param {string} text */
const rstrip = (text) => text.slice(0, trimmed(`x${text}`).length - 1);

/** @param {string} text */
const lstrip = (text) => trimmed(`${text}x`).slice(0, -1);

/** @param {Tree} tree @returns {Timed[]} */
function timedLines(tree) {
  const found = tree.lines.filter((line) => isSung(line) && trimmed(line.text) && isTimed(line));
  return /** @type {Timed[]} */ (found).sort((a, b) => a.start - b.start);
}

/** Each word's text with the white space around it. @param {Line} line */
function pieces(line) {
  /** @type {number[]} */
  const ends = [];
  let at = 0;
  for (const { text } of line.words) {
    at = line.text.indexOf(text, at) + text.length;
    while (at < line.text.length && !trimmed(line.text[at])) at++;
    ends.push(at);
  }
  return ends.map((end, n) => line.text.slice(n ? ends[n - 1] : 0, end));
}

/** @param {Line} line @param {Level} level @returns {Piece[]} */
function units(line, level) {
  const texts = pieces(line);
  return line.words.flatMap((word, n) => {
    const text = texts[n];
    if (level === "word" || !word.syllables.some(isTimed)) return [{ text, start: word.start, end: word.end }];
    const at = text.indexOf(word.text), last = word.syllables.length - 1;
    return word.syllables.map((part, i) => ({
      text: (i ? "" : text.slice(0, at)) + part.text + (i === last ? text.slice(at + word.text.length) : ""),
      start: part.start, end: part.end,
    }));
  });
}

/** A line cut where a time begins. @param {Line} line @param {Level} level @returns {Piece[]} */
function cut(line, level) {
  if (level === "line" || !line.words.length) return [{ text: trimmed(line.text), start: null, end: null }];
  /** @type {Piece[]} */
  const out = [];
  for (const unit of units(line, level)) {
    if (unit.start === null && out.length) out[out.length - 1].text += unit.text;
    else out.push({ ...unit });
  }
  out[0].text = lstrip(out[0].text);
  out[out.length - 1].text = rstrip(out[out.length - 1].text);
  return out;
}

/** Texts of untimed first pieces go with the next one, as cues show them. @param {Timed} line @param {Level} level @returns {[number, number, string][]} */
function cues(line, level) {
  /** @type {[number, number, string][]} */
  const out = [];
  let unfound = "";
  for (const piece of cut(line, level)) {
    if (piece.start === null || piece.end === null) { unfound = piece.text; continue; }
    out.push([piece.start, piece.end, unfound + piece.text]);
    unfound = "";
  }
  return unfound ? [...out, [line.start, line.end, unfound]] : out;
}

/** @param {number} seconds */
function lrcClock(seconds) {
  const all = even(seconds * 100), minutes = Math.floor(all / 6000), centis = all % 6000;
  const hours = minutes > 99 ? Math.floor(minutes / 60) : 0;
  return `${hours ? `${two(hours)}:` : ""}${two(minutes - hours * 60)}:${two(Math.floor(centis / 100))}.${two(centis % 100)}`;
}

/** @param {Extra} extra */
function ids(extra) {
  const byName = new Map(IDS.map(([key, name]) => [name, key]));
  return sorted(extra).flatMap(([name, value]) => {
    const key = byName.get(name) ?? (name.startsWith("lrc:") ? name.slice(4) : "");
    const shown = trimmed(oneRow(value));
    return key && shown ? [`[${key}:${shown}]`] : [];
  });
}

/** @param {Extra} extra */
const sorted = (extra) => Object.entries(extra).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

/** What stands before the lines of each voice. @param {Tree} tree @returns {Map<string, string>} */
function voices(tree) {
  const names = [...new Set(tree.lines.flatMap((line) => line.extra?.voice || []))];
  const known = names.every((name) => SINGER.test(`${name}:`));
  return new Map(names.map((name, n) => [name, known ? `${name}: ` : `v${n + 1}: `]));
}

/** @param {Timed} line @param {Level} level @param {string} singer */
function lrcRow(line, level, singer) {
  let parts = cut(line, level);
  if (level === "line") return `[${lrcClock(line.start)}]${singer}${oneRow(parts[0].text)}`;
  if (parts[0].start === null && parts.length > 1) parts = [{ text: parts[0].text, start: parts[1].start, end: parts[1].start }, ...parts.slice(1)];
  let out = `[${lrcClock(line.start)}]${singer}`, space = "", stop = "";
  for (const piece of parts) {
    const text = oneRow(piece.text);
    if (piece.start !== null && piece.end !== null) {
      const begin = lrcClock(piece.start);
      out += (stop !== "" && stop !== begin ? `<${stop}>` : "") + space + `<${begin}>`;
      space = ""; stop = lrcClock(piece.end);
    }
    const body = rstrip(text);
    out += space + body;
    space = text.slice(body.length);
  }
  return out + [...new Set([stop, lrcClock(line.end)])].filter(Boolean).map((stamp) => `<${stamp}>`).join("");
}

/** @param {Tree} tree @param {Level} level */
function lrc(tree, level) {
  const rows = ids(tree.extra ?? {}), singers = voices(tree);
  let silent = Infinity;
  for (const line of timedLines(tree)) {
    if (line.start - silent > PAUSE) rows.push(`[${lrcClock(silent)}]`);
    const row = lrcRow(line, level, singers.get(line.extra?.voice ?? "") ?? "");
    rows.push(line.extra?.role === "background" && level !== "line" ? `[bg: ${row.replace(STAMPS, "")}]` : row);
    silent = silent === Infinity ? line.end : Math.max(silent, line.end);
  }
  return [...rows, `[${lrcClock(silent)}]`, ""].join("\n");
}

/** @param {number} seconds */
function srtClock(seconds) {
  const all = even(seconds * 1000), minutes = Math.floor(all / 60000), millis = all % 60000;
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:${two(Math.floor(millis / 1000))},${String(millis % 1000).padStart(3, "0")}`;
}

/** @param {Tree} tree */
function srt(tree) {
  return timedLines(tree).map((line, n) => {
    const marked = (line.extra?.["srt:markup"] ?? "").split(/\r\n|\r|\n/).map(trimmed).filter(Boolean);
    const plain = marked.map((row) => trimmed(row.replace(TAGS, ""))).filter(Boolean).join("\n");
    const own = plain === line.text && !marked.join("").includes("-->");
    const rows = own ? marked : trimmed(line.text).split(ENDS).map((row) => trimmed(oneRow(row))).filter(Boolean);
    return `${n + 1}\n${srtClock(line.start)} --> ${srtClock(line.end)}\n${rows.join("\n")}\n`;
  }).join("\n");
}

/** @param {number} seconds */
function assClock(seconds) {
  const all = even(seconds * 100), minutes = Math.floor(all / 6000), rest = all % 6000;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(Math.floor(rest / 100))}.${two(rest % 100)}`;
}

/** Nothing in it is markup then. @param {string} text */
const escaped = (text) => oneRow(text.replaceAll("\\", "\\\u2060").replaceAll("{", "｛").replaceAll("}", "｝").replace(/\r\n|\r|\n/g, "\\N"));

/** @param {Timed} line */
function tagged(line) {
  const parts = cut(line, "syllable");
  if (parts.every((piece) => piece.start === null)) return escaped(parts[0].text);
  const told = new Map(line.words.flatMap((word) => word.syllables).filter((part) => part.extra).map((part) => [part.start, part.extra?.furigana ?? ""]));
  let now = even(line.start * 100), out = "";
  for (const piece of parts) {
    if (piece.start !== null && piece.end !== null) {
      const begin = even(piece.start * 100), stop = even(piece.end * 100);
      out += (begin > now ? `{\\k${begin - now}}` : "") + `{\\kf${stop - begin}}`;
      now = stop;
    }
    const body = rstrip(piece.text), read = told.get(piece.start);
    out += escaped(body) + (read ? `|${read}` : "") + escaped(piece.text.slice(body.length));
  }
  const end = even(line.end * 100);
  return out + (end > now ? `{\\k${end - now}}` : "");
}

/** @param {Tree} tree @param {string} header */
function ass(tree, header) {
  const name = (/** @type {Line} */ line) => trimmed(oneRow(line.extra?.voice ?? "").replaceAll(",", ";"));
  return header + timedLines(tree).map((line) => (
    `Dialogue: 0,${assClock(line.start)},${assClock(line.end)},Default,${name(line)},0,0,0,,${tagged(line)}\n`)).join("");
}

/** @param {Tree} tree */
function labels(tree) {
  const rows = timedLines(tree).flatMap((line) => cues(line, "word"));
  rows.sort((a, b) => a[0] - b[0]);
  return rows.map(([start, end, text]) => `${start.toFixed(6)}\t${end.toFixed(6)}\t${trimmed(oneRow(text))}\n`).join("");
}

/** @param {Tree} tree */
const json = (tree) => `${JSON.stringify({ ...tree, lines: tree.lines.map(closed) }, null, 1)}\n`;

/** What can be saved: what it is called, how the file's name ends, and how it is written. @type {Record<string, {title: string, ending: string, render: (tree: Tree, header: string) => string}>} */
export const FORMATS = {
  json: { title: "JSON: everything, and what is fixed", ending: ".json", render: json },
  lrc: { title: "LRC, lines", ending: ".lrc", render: (tree) => lrc(tree, "line") },
  elrc: { title: "LRC, words (enhanced)", ending: ".lrc", render: (tree) => lrc(tree, "word") },
  srt: { title: "SRT", ending: ".srt", render: srt },
  ass: { title: "ASS, karaoke", ending: ".ass", render: ass },
  labels: { title: "Audacity labels", ending: ".labels.txt", render: labels },
};
