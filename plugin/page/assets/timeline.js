/**
 * The picture of the sound with the text on it: drawn on two canvases, only what is in view.
 *
 * @typedef {import("./model.js").Line} Line
 * @typedef {import("./model.js").Bar} Bar
 * @typedef {import("./edit.js").Place} Place
 * @typedef {import("./edit.js").Side} Side
 * @typedef {import("./sound.js").Sight} Sight
 * @typedef {import("./sound.js").Close} Close
 * @typedef {{top: number, height: number}} Lane
 * @typedef {[number, number, string]} Other start, end and text of a word that this one is compared with
 * @typedef {{lines: readonly Line[], bars: Bar[], instrumentals: [number, number][], place: Place | null,
 *   time: number, threshold: number, others: Other[]}} Scene
 */
import { inLane, nearest, rgb, within } from "./geometry.js";
import { clock, isDoubtful, isTimed } from "./model.js";
import { drawOverview, OVERVIEW } from "./overview.js";

const LEAST_VIEW = 0.02; // seconds
/** @type {Record<"ruler" | "wave" | "shades" | "lines" | "words" | "syllables" | "phones" | "others", Lane>} */
const LANES = {
  ruler: { top: 0, height: 18 }, wave: { top: 18, height: 76 }, shades: { top: 96, height: 96 },
  lines: { top: 196, height: 20 }, words: { top: 218, height: 30 }, syllables: { top: 250, height: 24 },
  phones: { top: 276, height: 18 }, others: { top: 298, height: 20 },
};
const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800];
const GRAB = 7; // pixels to either side of an edge where it can be taken
const LETTERS = 80; // of a text that are ever drawn

export class Timeline {
  /**
   * @param {HTMLCanvasElement} canvas @param {HTMLCanvasElement} overview
   * @param {Sight} sight @param {Close | null} close @param {() => Scene} scene
   */
  constructor(canvas, overview, sight, close, scene) {
    this.canvas = canvas;
    this.overview = overview;
    this.sight = sight;
    this.close = close;
    this.scene = scene;
    this.seconds = sight.picture.seconds;
    this.from = 0;
    this.to = Math.min(this.seconds, 20);
    this.waiting = false;
    this.rest = 0;
    this.width = 1; // pixels; asked for once, as the answer may cost a layout of the page
    this.height = 1;
    this.recolour();
    new ResizeObserver(() => this.resized()).observe(canvas);
  }

  /** @param {number} time */
  x(time) {
    return ((time - this.from) / (this.to - this.from)) * this.width;
  }

  /** @param {number} x */
  time(x) {
    return this.from + (x / this.width) * (this.to - this.from);
  }

  /** Colours as the page has them now. */
  recolour() {
    const style = getComputedStyle(document.documentElement);
    const names = ["ground", "ink", "soft", "wave", "shade", "play", "line", "sure", "fair", "poor", "on", "pick", "fixed"];
    this.colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    const [dark, bright] = ["--shades-low", "--shades-high"].map((name) => rgb(style.getPropertyValue(name).trim()));
    const levels = this.sight.picture.levels;
    this.palette = Uint32Array.from({ length: levels }, (_, n) => {
      const share = (n / (levels - 1)) ** 1.3;
      const [r, g, b] = dark.map((value, at) => Math.round(value + (bright[at] - value) * share));
      return (255 << 24) | (b << 16) | (g << 8) | r;
    });
    this.ask();
  }

  /** Draws before the next frame of the screen. */
  ask() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  /** Shows these seconds. @param {number} from @param {number} to */
  show(from, to) {
    const length = Math.min(Math.max(to - from, LEAST_VIEW), this.seconds);
    this.from = Math.min(Math.max(from, 0), Math.max(0, this.seconds - length));
    this.to = this.from + length;
    this.ask();
    clearTimeout(this.rest);
    this.rest = window.setTimeout(() => void this.lookClosely(), 150);
  }

  async lookClosely() {
    if (await this.close?.look(this.from, this.to, Math.min(this.width, 1600))) this.ask();
  }

  /** Larger (factor above 1) or smaller; what is at `time` stays where it is. @param {number} factor @param {number} time */
  zoom(factor, time = (this.from + this.to) / 2) {
    const length = Math.min(Math.max((this.to - this.from) / factor, LEAST_VIEW), this.seconds);
    const share = (time - this.from) / (this.to - this.from);
    this.show(time - share * length, time - share * length + length);
  }

  /** Moves so that a time is in view. @param {number} time */
  reveal(time) {
    const length = this.to - this.from;
    if (time < this.from || time > this.to - length * 0.08) this.show(time - length * 0.15, time + length * 0.85);
  }

  resized() {
    const height = this.scene().others.length ? 322 : 298;
    this.width = Math.max(1, this.canvas.clientWidth);
    this.height = height;
    for (const [canvas, tall] of /** @type {[HTMLCanvasElement, number][]} */ ([[this.canvas, height], [this.overview, OVERVIEW]])) {
      const ratio = window.devicePixelRatio || 1;
      canvas.width = Math.round(Math.max(1, canvas.clientWidth) * ratio);
      canvas.height = Math.round(tall * ratio);
      canvas.style.height = `${tall}px`;
      canvas.getContext("2d")?.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.show(this.from, this.to);
  }

  draw() {
    const scene = this.scene();
    this.canvas.dataset.from = String(this.from);
    this.canvas.dataset.to = String(this.to);
    const pen = this.canvas.getContext("2d");
    const small = this.overview.getContext("2d");
    if (!pen || !small || !this.colours) return;
    this.drawMain(pen, scene, this.colours);
    drawOverview(small, this, scene, this.colours);
  }

  /** @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {Record<string, string>} colours */
  drawMain(pen, scene, colours) {
    const { height } = this;
    pen.fillStyle = colours.ground;
    pen.fillRect(0, 0, this.width, height);
    this.drawPauses(pen, scene, colours);
    this.drawRuler(pen, colours);
    this.drawWave(pen, colours);
    this.drawShades(pen);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    this.drawText(pen, scene, colours);
    for (const [start, end, text] of within(scene.others, this.from, this.to, (one) => one[0]))
      this.bar(pen, LANES.others, start, end, text, colours.shade, colours);
    const x = this.x(scene.time);
    pen.fillStyle = colours.play;
    pen.fillRect(x - 1, 0, 2, height);
  }

  /** @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {Record<string, string>} colours */
  drawPauses(pen, scene, colours) {
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "top";
    for (const [start, end] of scene.instrumentals) {
      const left = Math.max(0, this.x(start)), right = Math.min(this.width, this.x(end));
      if (right <= left) continue;
      pen.fillStyle = colours.shade;
      pen.fillRect(left, LANES.wave.top, right - left, LANES.wave.height);
      pen.fillStyle = colours.soft;
      if (right - left > 80) pen.fillText("instrumental", left + 6, LANES.wave.top + 4);
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {Record<string, string>} colours */
  drawRuler(pen, colours) {
    const least = (80 / this.width) * (this.to - this.from);
    const step = STEPS.find((one) => one >= least) ?? 3600, digits = step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3;
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    for (let n = Math.ceil(this.from / step); n * step <= this.to; n++) {
      const x = this.x(n * step);
      pen.fillStyle = colours.line;
      pen.fillRect(x, 0, 1, LANES.lines.top);
      pen.fillStyle = colours.soft;
      pen.fillText(clock(n * step, digits), x + 4, LANES.ruler.top + 9);
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {Record<string, string>} colours */
  drawWave(pen, colours) {
    const { top, height } = LANES.wave, middle = top + height / 2, scale = height / 2 / 127;
    pen.fillStyle = colours.wave;
    if ((this.to - this.from) / this.width < 4 / (this.close?.frames.rate ?? Infinity) && this.close?.has(this.from, this.to)) {
      this.drawSamples(pen, middle, height / 2, colours);
      return;
    }
    const peaks = this.closePeaks() ?? this.sight.peaks(this.from, this.to, Math.ceil(this.width));
    for (let x = 0; x < peaks.length / 2; x++) {
      const high = peaks[2 * x + 1] * scale, low = peaks[2 * x] * scale;
      pen.fillRect(x, middle - high, 1, Math.max(1, high - low));
    }
  }

  /** Peaks of the wave itself, where those of the whole are too coarse and it is there. */
  closePeaks() {
    const fine = (this.to - this.from) / this.width < this.sight.picture.peakStep;
    return fine && this.close?.has(this.from, this.to) ? this.close.peaks(this.from, this.to, Math.ceil(this.width)) : null;
  }

  /** The wave itself. @param {CanvasRenderingContext2D} pen @param {number} middle @param {number} half @param {Record<string, string>} colours */
  drawSamples(pen, middle, half, colours) {
    const part = this.close?.part, rate = this.close?.frames.rate ?? 1;
    if (!part) return;
    const first = Math.max(0, Math.floor((this.from - part.from) * rate)), last = Math.min(part.wave.length, Math.ceil((this.to - part.from) * rate));
    pen.strokeStyle = colours.wave;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let n = first; n < last; n++) pen.lineTo(this.x(part.from + n / rate), middle - Math.max(-1, Math.min(1, part.wave[n])) * half);
    pen.stroke();
  }

  /** @param {CanvasRenderingContext2D} pen */
  drawShades(pen) {
    const { bands } = this.sight.picture, { top, height } = LANES.shades, wide = Math.min(Math.ceil(this.width), 1600);
    if (!this.sight.columns.length || !this.palette) return;
    const detail = this.close?.detail;
    const fine = detail && detail.from === this.from && detail.to === this.to && detail.width === Math.min(this.width, 1600) ? detail : null;
    const image = new ImageData(wide, bands), pixels = new Uint32Array(image.data.buffer);
    for (let x = 0; x < wide; x++) {
      const source = fine ? fine.shades : this.sight.columns;
      const at = fine ? Math.min(fine.width - 1, x) * bands : this.sight.column(this.from + ((x + 0.5) / wide) * (this.to - this.from));
      for (let band = 0; band < bands; band++) pixels[(bands - 1 - band) * wide + x] = this.palette[source[at + band]];
    }
    const canvas = new OffscreenCanvas(wide, bands);
    canvas.getContext("2d")?.putImageData(image, 0, 0);
    pen.drawImage(canvas, 0, top, this.width, height);
  }

  /** Lines, words, syllables and phones in view, those that are wide enough to be seen. @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {Record<string, string>} colours */
  drawText(pen, scene, colours) {
    const lines = new Set();
    const seen = within(scene.bars, this.from, this.to, (bar) => bar.start);
    const dense = seen.length / this.width; // words to a pixel
    let drawn = -1;
    for (const bar of seen) {
      const line = scene.lines[bar.line], right = Math.floor(this.x(bar.end));
      if (!lines.has(line) && isTimed(line)) {
        lines.add(line);
        if (this.x(line.end) - this.x(line.start) > 1 || dense < 1)
          this.bar(pen, LANES.lines, line.start, line.end, line.text, isDoubtful(line, scene.threshold) ? colours.poor : colours.line, colours);
      }
      if (dense > 0.5 && right <= drawn) continue;
      drawn = right;
      this.drawWord(pen, scene, bar, colours, dense < 0.15, dense < 0.05);
    }
  }

  /** @param {CanvasRenderingContext2D} pen @param {Scene} scene @param {Bar} bar @param {Record<string, string>} colours @param {boolean} syllables @param {boolean} phones */
  drawWord(pen, scene, bar, colours, syllables, phones) {
    const { place, time } = scene, word = bar.span;
    const picked = place !== null && place.line === bar.line && place.word === bar.word;
    const sounding = bar.start <= time && time < bar.end;
    this.bar(pen, LANES.words, bar.start, bar.end, word.text, sounding ? colours.on : this.trust(word.score, word.fixed), colours, picked && place.syllable === undefined);
    if (!word.fixed && word.score !== null && word.score < scene.threshold) this.hatch(pen, LANES.words, bar.start, bar.end, colours);
    if (word.fixed) {
      pen.fillStyle = colours.fixed;
      pen.fillRect(this.x(bar.start), LANES.words.top, Math.max(1, this.x(bar.end) - this.x(bar.start)), 3);
    }
    if (syllables)
      word.syllables.forEach((part, n) => {
        if (!isTimed(part)) return;
        this.bar(pen, LANES.syllables, part.start, part.end, part.text, part.start <= time && time < part.end ? colours.on : colours.line, colours, picked && place.syllable === n);
        if (phones) for (const phone of part.phones) if (isTimed(phone)) this.bar(pen, LANES.phones, phone.start, phone.end, phone.text, colours.line, colours);
      });
  }

  /** The colour of a confidence. @param {number | null} score @param {boolean | undefined} fixed */
  trust(score, fixed) {
    const { sure, fair, poor, line } = this.colours ?? {};
    return fixed ? sure : score === null ? line : score < 0.3 ? poor : score < 0.6 ? fair : sure;
  }

  /** @param {CanvasRenderingContext2D} pen @param {Lane} lane @param {number} start @param {number} end @param {string} text @param {string} fill @param {Record<string, string>} colours */
  bar(pen, lane, start, end, text, fill, colours, picked = false) {
    const left = Math.max(-2, this.x(start)), right = Math.min(this.width + 2, this.x(end)), width = Math.max(1, right - left);
    if (right < 0 || left > this.width) return;
    pen.fillStyle = fill;
    pen.fillRect(left, lane.top, width > 3 ? width - 1 : width, lane.height);
    if (picked) {
      pen.strokeStyle = colours.pick;
      pen.lineWidth = 3;
      pen.strokeRect(left + 1.5, lane.top + 1.5, Math.max(1, width - 4), lane.height - 3);
    }
    const letters = Math.min(LETTERS, Math.floor((width - 4) / 5));
    if (letters < 1 || lane.height < 16) return;
    const shown = [...text.slice(0, 2 * letters)].slice(0, letters).join("");
    pen.save();
    pen.beginPath();
    pen.rect(left, lane.top, width - 2, lane.height);
    pen.clip();
    pen.fillStyle = colours.ink;
    pen.fillText(shown, left + 4, lane.top + lane.height / 2 + 1);
    pen.restore();
  }

  /** Stripes: doubt that can be seen without colours. @param {CanvasRenderingContext2D} pen @param {Lane} lane @param {number} start @param {number} end @param {Record<string, string>} colours */
  hatch(pen, lane, start, end, colours) {
    const left = Math.max(0, this.x(start)), right = Math.min(this.width, this.x(end) - 1);
    if (right - left < 3) return;
    pen.save();
    pen.beginPath();
    pen.rect(left, lane.top + lane.height - 8, right - left, 8);
    pen.clip();
    pen.strokeStyle = colours.ink;
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (let x = left - 8; x < right; x += 6) {
      pen.moveTo(x, lane.top + lane.height);
      pen.lineTo(x + 8, lane.top + lane.height - 8);
    }
    pen.stroke();
    pen.restore();
  }

  /** What lies at a point: a word or syllable, and the edge of it that can be taken there. @param {number} x @param {number} y @returns {{place: Place, side: Side | null} | null} */
  hit(x, y) {
    const lane = ["words", "syllables"].find((name) => inLane(LANES[/** @type {"words" | "syllables"} */ (name)], y));
    if (!lane) return null;
    const reach = (GRAB / this.width) * (this.to - this.from), time = this.time(x), { bars } = this.scene();
    /** @type {{place: Place, side: Side | null, far: number} | null} */
    let best = null;
    for (const bar of within(bars, time - reach, time + reach, (one) => one.start)) {
      const spans = lane === "words" ? [bar.span] : bar.span.syllables;
      spans.forEach((span, n) => {
        if (!isTimed(span) || time < span.start - reach || time > span.end + reach) return;
        const place = { line: bar.line, word: bar.word, ...(lane === "words" ? {} : { syllable: n }) };
        const [near, side] = nearest(time, span.start, span.end);
        const inside = time >= span.start && time < span.end;
        const far = near <= reach ? near + (inside ? 0 : reach / 100) : inside ? reach : Infinity;
        if (far < (best?.far ?? Infinity)) best = { place, side: near <= reach ? side : null, far };
      });
    }
    return best;
  }
}
