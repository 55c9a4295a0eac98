/**
 * The page: one state (what is written, what is picked, what is heard) and everything that shows it.
 *
 * @typedef {import("./model.js").Line} Line
 * @typedef {import("./model.js").Tree} Tree
 * @typedef {import("./model.js").Bar} Bar
 * @typedef {import("./edit.js").Place} Place
 * @typedef {import("./timeline.js").Other} Other
 * @typedef {import("./lyrics.js").Against} Against
 * @typedef {{tree: Tree, stem: string, threshold: number, header: string, picture: import("./sound.js").Picture,
 *   audio: {data?: string, link?: string, rate: number, frameBytes: number, frameSamples: number},
 *   against: {name: string, lines: Against[], bars: Other[]} | null}} Data
 */
import { barsOf, clock, doubtsOf, instrumentals, isSung, isTimed, opened, soundingAt, sounds } from "./model.js";
import * as edit from "./edit.js";
import { FORMATS } from "./formats.js";
import { History } from "./history.js";
import { element, farthest, fill, Lyrics, signed } from "./lyrics.js";
import { Panel, told } from "./panel.js";
import { onOverview, onTimeline } from "./pointer.js";
import { Player } from "./player.js";
import { bytesOf, Close, Sight } from "./sound.js";
import { Stage } from "./stage.js";
import { Tap } from "./tap.js";
import { Timeline } from "./timeline.js";

const SNAP = 8; // pixels within which an edge goes to an onset
const FAR = 0.08; // seconds, and no farther
const AROUND = 0.4; // seconds heard before and after a line that is looked at

/** @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`no ${kind.name} has the id ${id}`);
  return found;
}

/** @param {string} id */
const part = (id) => byId(id, HTMLElement);

export class App {
  /** @param {Data} data @param {Sight} sight */
  constructor(data, sight) {
    this.data = data;
    this.history = new History(data.tree.lines.map(opened));
    this.original = this.history.lines;
    /** @type {Place | null} */
    this.place = null;
    /** @type {readonly Line[] | null} lines while an edge is dragged */
    this.dragged = null;
    /** @type {Bar[]} */
    this.bars = [];
    /** @type {[number, number][]} */
    this.pauses = [];
    this.longest = 0;
    this.doubt = -1; // where in the list of doubts
    this.player = new Player(byId("audio", HTMLAudioElement), () => this.tick());
    const close = data.audio.data ? this.embed(data.audio, sight) : null;
    if (data.audio.link) this.player.audio.src = data.audio.link;
    this.sight = sight;
    this.timeline = new Timeline(byId("timeline", HTMLCanvasElement), byId("overview", HTMLCanvasElement), sight, close, () => this.scene());
    this.lyrics = new Lyrics(part("lyrics"), data.threshold, (line) => this.others(line));
    this.stage = new Stage(part("stage-now"), part("stage-next"), part("stage-count"));
    this.panel = new Panel(
      { text: byId("word-text", HTMLInputElement), start: byId("word-start", HTMLInputElement), end: byId("word-end", HTMLInputElement), fact: part("word-fact"), box: byId("word-box", HTMLFieldSetElement) },
      { respell: (text) => this.onWord((at) => edit.respelled(this.lines, at, text), "text"), move: (side, time) => this.moveTo(side, time) },
    );
    this.tap = new Tap(part("tapping"), part("tap-next"), this.player, (line, taps) => this.change(edit.tapped(this.lines, line, taps), "tapped line"));
    onTimeline(this.timeline, {
      jump: (time) => this.player.jump(time),
      pick: (place, jump) => this.pick(place, jump),
      drag: (place, side, time, free) => this.drag(place, side, free ? time : this.snapped(time)),
      drop: () => this.drop(),
    });
    onOverview(this.timeline, (time) => this.player.jump(time));
    this.refresh();
  }

  /** @param {Data["audio"]} audio @param {Sight} sight */
  embed(audio, sight) {
    const bytes = bytesOf(audio.data ?? "");
    this.player.audio.src = URL.createObjectURL(new Blob([bytes], { type: "audio/mpeg" }));
    return new Close({ ...audio, bytes }, sight);
  }

  get lines() {
    return this.dragged ?? this.history.lines;
  }

  /** @returns {import("./timeline.js").Scene} */
  scene() {
    return {
      lines: this.lines, bars: this.bars, instrumentals: this.pauses, place: this.place, time: this.player.time,
      threshold: this.data.threshold, others: this.data.against?.bars ?? [],
    };
  }

  /** When the other timing has the words of a line, while it has the same words. @param {number} line @returns {Against} */
  others(line) {
    const there = this.data.against?.lines[line] ?? [];
    return this.original[line]?.words.length === this.lines[line]?.words.length ? there : [];
  }

  /** Shows the lines as they are now. */
  refresh() {
    const { lines } = this;
    this.bars = barsOf(lines);
    this.longest = this.bars.reduce((most, bar) => Math.max(most, bar.end - bar.start), 0);
    this.pauses = instrumentals(this.bars, this.data.picture.seconds);
    this.lyrics.show(lines);
    this.stage.set(lines);
    if (!this.dragged) this.refreshLists(lines);
    this.showPlace();
    this.tick();
  }

  /** @param {readonly Line[]} lines */
  refreshLists(lines) {
    const doubts = doubtsOf(lines, this.data.threshold);
    fill(part("doubts"), lines, doubts, (at) => (isTimed(lines[at]) ? (lines[at].score ?? 0).toFixed(2) : "not heard"));
    part("doubts-count").textContent = String(doubts.length);
    const silent = lines.flatMap((line, at) => ((isSung(line) && line.words.some(sounds) && !isTimed(line)) || (line.kind === "comment" && line.text.trim()) ? [at] : []));
    fill(part("unsung"), lines, silent, (at) => (isSung(lines[at]) ? "not found" : "not sung"));
    part("unsung-count").textContent = String(silent.length);
    byId("undo", HTMLButtonElement).disabled = !this.history.past.length;
    byId("redo", HTMLButtonElement).disabled = !this.history.future.length;
    if (this.data.against) this.refreshDifferences(lines);
  }

  /** @param {readonly Line[]} lines */
  refreshDifferences(lines) {
    const far = lines.map((line, at) => farthest(line, this.others(at)));
    const apart = far.flatMap((gap, at) => (gap ? [at] : [])).sort((a, b) => Math.abs(far[b] ?? 0) - Math.abs(far[a] ?? 0));
    fill(part("differences"), lines, apart, (at) => signed(far[at] ?? 0));
    part("differences-count").textContent = String(apart.length);
  }

  /** Shows what the time has to do with. */
  tick() {
    if (!this.timeline) return; // not made yet
    const { time } = this.player, follow = byId("follow", HTMLInputElement).checked;
    this.lyrics.light(soundingAt(this.bars, time, this.longest), follow && this.player.playing);
    this.stage.at(time);
    if (follow && this.player.playing && !this.dragged) this.timeline.reveal(time);
    part("time").textContent = `${clock(time, 1)} / ${clock(this.data.picture.seconds, 1)}`;
    const play = part("play");
    const label = this.player.playing ? "Pause" : "Play";
    if (play.textContent !== label) play.textContent = label;
    byId("speed", HTMLSelectElement).value = String(this.player.audio.playbackRate);
    part("loop").setAttribute("aria-pressed", String(this.player.loop !== null));
    part("overview").setAttribute("aria-valuenow", String(Math.round(time)));
    part("overview").setAttribute("aria-valuetext", clock(time, 0));
    this.timeline.ask();
  }

  /** Told to screen readers, and shown. @param {string} text */
  say(text) {
    part("say").textContent = text;
  }

  showPlace() {
    const at = this.place;
    const here = at && this.lines[at.line]?.words[at.word] ? at : null;
    this.panel.show(this.lines, here, here ? this.others(here.line)[here.word] : null);
    if (here) this.lyrics.pick(here.line, here.word);
  }

  /** @param {Place | null} place @param {boolean} jump */
  pick(place, jump) {
    this.place = place;
    this.showPlace();
    const word = place && this.lines[place.line].words[place.word];
    if (!place || !word) return;
    this.say(`${word.text.slice(0, 80)}. ${told(this.lines[place.line], place, this.others(place.line)[place.word])}${isTimed(word) ? ` · ${clock(word.start)} to ${clock(word.end)}` : ""}`);
    if (jump && isTimed(word)) {
      const span = (place.syllable !== undefined && word.syllables[place.syllable]) || word;
      this.player.jump(span.start ?? word.start);
      this.timeline.reveal(word.start);
    }
    this.timeline.ask();
  }

  /** @param {readonly Line[]} lines @param {string} said */
  change(lines, said) {
    this.dragged = null;
    this.history.do(lines, said);
    this.refresh();
    this.say(said);
  }

  /** @param {(at: Place) => Line[]} does @param {string} said */
  onWord(does, said) {
    if (this.place && this.lines[this.place.line]?.words[this.place.word]) this.change(does(this.place), said);
  }

  /** @param {(line: number) => Line[]} does @param {string} said */
  onLine(does, said) {
    if (this.place) this.change(does(this.place.line), said);
  }

  /** @param {edit.Side} side @param {number} time */
  moveTo(side, time) {
    this.onWord((at) => edit.moveEdge(this.lines, at, side, time), `${side} moved to ${clock(time)}`);
  }

  /** @param {edit.Side} side @param {number} by seconds */
  nudge(side, by) {
    const word = this.place && this.lines[this.place.line]?.words[this.place.word];
    const span = word && ((this.place?.syllable !== undefined && word.syllables[this.place.syllable]) || word);
    if (span && isTimed(span)) this.moveTo(side, (side === "start" ? span.start : span.end) + by);
  }

  /** @param {number} time */
  snapped(time) {
    const reach = Math.min(FAR, (SNAP / this.timeline.width) * (this.timeline.to - this.timeline.from));
    return byId("snap", HTMLInputElement).checked ? this.sight.onsetNear(time, reach) ?? time : time;
  }

  /** @param {Place} place @param {edit.Side} side @param {number} time */
  drag(place, side, time) {
    this.dragged = edit.moveEdge(this.history.lines, place, side, time);
    this.refresh();
  }

  drop() {
    if (this.dragged) this.change(this.dragged, "edge moved");
  }

  /** @param {1 | -1} step @param {boolean} bySyllable */
  nextWord(step, bySyllable = false) {
    const at = this.place ?? this.nowPlace(), line = this.lines[at.line];
    if (bySyllable) {
      const to = at.syllable === undefined ? (step > 0 ? 0 : -1) : at.syllable + step;
      if (line?.words[at.word]?.syllables[to]) return this.pick({ ...at, syllable: to }, !this.player.playing);
    }
    for (let { line: n, word } = at, left = 2; this.lines[n]; n += step, left--) {
      const to = left === 2 ? (this.place ? word + step : word) : step > 0 ? 0 : this.lines[n].words.length - 1;
      if (this.lines[n].words[to]) return this.pick({ line: n, word: to, ...(bySyllable && this.lines[n].words[to].syllables.length ? { syllable: step > 0 ? 0 : this.lines[n].words[to].syllables.length - 1 } : {}) }, !this.player.playing);
    }
  }

  /** @param {1 | -1} step */
  nextLine(step) {
    for (let n = this.place ? this.place.line + step : this.nowPlace().line; this.lines[n]; n += step)
      if (this.lines[n].text.trim()) return this.pick({ line: n, word: 0 }, !this.player.playing);
  }

  /** The first word that is not over. @returns {Place} */
  nowPlace() {
    const bar = this.bars.find((one) => one.end > this.player.time) ?? this.bars[0];
    return bar ? { line: bar.line, word: bar.word } : { line: 0, word: 0 };
  }

  /** Goes to the next doubtful line, the worst first, and plays it. @param {1 | -1} step */
  nextDoubt(step) {
    const doubts = doubtsOf(this.lines, this.data.threshold);
    if (!doubts.length) return this.say("Nothing is in doubt any more.");
    const here = this.place ? doubts.indexOf(this.place.line) : -1;
    const next = here >= 0 ? here + step : step > 0 ? Math.max(0, this.doubt) : this.doubt - 1;
    this.doubt = Math.min(doubts.length - 1, Math.max(0, next));
    this.look(doubts[this.doubt]);
    this.say(`Doubt ${this.doubt + 1} of ${doubts.length}: ${this.lines[doubts[this.doubt]].text.slice(0, 200)}`);
  }

  /** Picks a line, shows it large and plays it. @param {number} at */
  look(at) {
    const line = this.lines[at], words = line.words;
    const word = Math.max(0, words.findIndex((one) => sounds(one) && (!isTimed(one) || (one.score ?? 1) < this.data.threshold)));
    this.pick({ line: at, word }, false);
    this.lyrics.reveal(at);
    const [start, end] = isTimed(line) ? [line.start, line.end] : this.gapAt(at);
    const room = Math.max(1, (end - start) * 0.2);
    this.timeline.show(start - room, end + room);
    this.player.playOnce(start - AROUND, end + AROUND);
  }

  /** Where a line without time must be: between those that have one. @param {number} at @returns {[number, number]} */
  gapAt(at) {
    const start = this.lines.slice(0, at).filter(isTimed).reduce((last, line) => Math.max(last, line.end), 0);
    const after = this.lines.slice(at + 1).find(isTimed);
    return [start, Math.max(start + 1, after ? after.start ?? 0 : this.data.picture.seconds)];
  }

  /** Plays the picked line once. */
  playLine() {
    const line = this.place && this.lines[this.place.line];
    if (line && isTimed(line)) this.player.playOnce(line.start, line.end);
  }

  /** Repeats the picked word or line, or ends that. @param {"word" | "line"} what */
  loop(what) {
    if (this.player.loop) return this.player.repeat(null);
    const at = this.place ?? this.nowPlace(), line = this.lines[at.line], span = what === "line" ? line : line?.words[at.word];
    if (span && isTimed(span)) this.player.repeat([span.start, span.end]);
  }

  undo() {
    const said = this.history.undo();
    this.refresh();
    this.say(said === null ? "Nothing to undo." : `Undone: ${said}`);
  }

  redo() {
    const said = this.history.redo();
    this.refresh();
    this.say(said === null ? "Nothing to do again." : `Done again: ${said}`);
  }

  /** Hands the text over as a file. @param {string} name of a format */
  save(name) {
    const form = FORMATS[name];
    const text = form.render({ ...this.data.tree, lines: [...this.lines] }, this.data.header);
    const url = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    element("a", { href: url, download: `${this.data.stem}${form.ending}` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    if (name === "json") this.history.saved = this.history.lines;
    this.say(`Saved as ${this.data.stem}${form.ending}`);
  }
}
