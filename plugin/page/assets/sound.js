/**
 * What the sound looks like: peaks at any width, shades of the spectrogram, and the sound itself where the page has it.
 *
 * @typedef {{seconds: number, peaks: string, peakStep: number, columns: string, columnStep: number, bands: number,
 *   levels: number, deep: number, onsets: number[], lowest: number, highest: number}} Picture
 * @typedef {{bytes: Uint8Array<ArrayBuffer>, rate: number, frameBytes: number, frameSamples: number}} Frames
 */
import { above } from "./model.js";

/** Each level of the pyramid has a pair of peaks where the one below has so many. */
const FACTOR = 4;
/** Seconds: no more sound is decoded at once. */
const MOST = 40;
/** Frames that a decoder needs before what it gives is right. */
const WARM = 2;
/** Milliseconds of work after which others get their turn. */
const TURN = 8;
const SIZE = 1024;

/** @param {string} text base64 @returns {Uint8Array<ArrayBuffer>} */
export function bytesOf(text) {
  const letters = atob(text), out = new Uint8Array(letters.length);
  for (let at = 0; at < out.length; at++) out[at] = letters.charCodeAt(at);
  return out;
}

/** @param {Uint8Array<ArrayBuffer>} packed zlib */
async function unpacked(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Peaks and shades of a whole sound. */
export class Sight {
  /** @param {Picture} picture */
  constructor(picture) {
    this.picture = picture;
    /** @type {Int8Array[]} pairs of least and greatest */
    this.levels = [];
    /** @type {Uint8Array} */
    this.columns = new Uint8Array(0);
    let at = 0;
    this.onsets = picture.onsets.map((step) => (at += step) / 1000);
  }

  /** Unpacks what came as text. */
  async open() {
    let level = new Int8Array((await unpacked(bytesOf(this.picture.peaks))).buffer);
    while (level.length > 2) {
      this.levels.push(level);
      level = coarser(level);
    }
    this.columns = await unpacked(bytesOf(this.picture.columns));
    return this;
  }

  /** Least and greatest value, -127..127, in each of `width` parts of the time. @param {number} from @param {number} to @param {number} width */
  peaks(from, to, width) {
    const out = new Int8Array(2 * width), step = (to - from) / width;
    let n = 0;
    while (n + 1 < this.levels.length && this.picture.peakStep * FACTOR ** (n + 1) <= step) n++;
    const level = this.levels[n] ?? new Int8Array(0), size = this.picture.peakStep * FACTOR ** n;
    for (let x = 0; x < width; x++) {
      const first = Math.max(0, Math.floor((from + x * step) / size));
      const last = Math.min(level.length / 2, Math.max(first + 1, Math.ceil((from + (x + 1) * step) / size)));
      let low = 127, high = -127;
      for (let at = first; at < last; at++) {
        low = Math.min(low, level[2 * at]);
        high = Math.max(high, level[2 * at + 1]);
      }
      if (low <= high) { out[2 * x] = low; out[2 * x + 1] = high; }
    }
    return out;
  }

  /** Where in `columns` the column of a time begins. @param {number} time */
  column(time) {
    const count = this.columns.length / this.picture.bands;
    return Math.min(count - 1, Math.max(0, Math.round(time / this.picture.columnStep))) * this.picture.bands;
  }

  /** The onset nearest to a time, or null: none is within reach. @param {number} time @param {number} reach seconds */
  onsetNear(time, reach) {
    const at = above(this.onsets, time, (one) => one);
    const near = [this.onsets[at - 1], this.onsets[at]].filter((one) => one !== undefined && Math.abs(one - time) <= reach);
    return near.length ? near.reduce((a, b) => (Math.abs(a - time) <= Math.abs(b - time) ? a : b)) : null;
  }
}

/** @param {Int8Array} level */
function coarser(level) {
  const count = Math.ceil(level.length / 2 / FACTOR), out = new Int8Array(2 * count);
  for (let n = 0; n < count; n++) {
    let low = 127, high = -127;
    for (let at = n * FACTOR; at < Math.min((n + 1) * FACTOR, level.length / 2); at++) {
      low = Math.min(low, level[2 * at]);
      high = Math.max(high, level[2 * at + 1]);
    }
    out[2 * n] = low;
    out[2 * n + 1] = high;
  }
  return out;
}

/** The sound itself, a part at a time: each frame of it has the same number of bytes, so any can be found. */
export class Close {
  /** @param {Frames} frames @param {Sight} sight */
  constructor(frames, sight) {
    this.frames = frames;
    this.sight = sight;
    /** @type {{from: number, to: number, wave: Float32Array} | null} */
    this.part = null;
    /** @type {{from: number, to: number, width: number, shades: Uint8Array} | null} */
    this.detail = null;
    this.turn = 0;
  }

  /** Whether the wave of this time is there. @param {number} from @param {number} to */
  has(from, to) {
    return this.part !== null && this.part.from <= Math.max(0, from) && this.part.to >= Math.min(to, this.sight.picture.seconds - 0.05);
  }

  /** As `Sight.peaks`, from the wave that is there. @param {number} from @param {number} to @param {number} width */
  peaks(from, to, width) {
    const out = new Int8Array(2 * width), part = this.part, step = ((to - from) / width) * this.frames.rate;
    for (let x = 0; part && x < width; x++) {
      const first = Math.max(0, Math.round((from - part.from) * this.frames.rate + x * step));
      let low = 1, high = -1;
      for (let at = first; at < Math.min(first + step, part.wave.length); at++) {
        low = Math.min(low, part.wave[at]);
        high = Math.max(high, part.wave[at]);
      }
      if (low <= high) { out[2 * x] = Math.max(-1, low) * 127; out[2 * x + 1] = Math.min(1, high) * 127; }
    }
    return out;
  }

  /** Decodes this time and draws its spectrogram in `width` columns; gives whether anything new is there. @param {number} from @param {number} to @param {number} width */
  async look(from, to, width) {
    const turn = ++this.turn;
    if (to - from > MOST / 2) return false;
    if (!this.has(from, to)) {
      const part = await this.decoded(Math.max(0, from - (to - from) / 2), to + (to - from) / 2);
      if (turn !== this.turn) return false;
      this.part = part;
    }
    const shades = await this.shades(from, to, width, turn);
    if (shades) this.detail = { from, to, width, shades };
    return shades !== null;
  }

  /** @param {number} from @param {number} to */
  async decoded(from, to) {
    const { bytes, rate, frameBytes, frameSamples } = this.frames;
    const length = frameSamples / rate, count = Math.floor(bytes.length / frameBytes);
    const first = Math.min(count - 1, Math.max(0, Math.floor(from / length) - WARM));
    const last = Math.min(count, Math.ceil(to / length) + WARM + 1);
    const slice = bytes.slice(first * frameBytes, last * frameBytes).buffer;
    const buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(slice);
    const wave = buffer.getChannelData(0).slice();
    for (let channel = 1; channel < buffer.numberOfChannels; channel++)
      buffer.getChannelData(channel).forEach((value, at) => { wave[at] = (wave[at] + value) / 2; });
    const start = (first + (first ? WARM : 0)) * length;
    return { from: start, to: first * length + wave.length / rate, wave: wave.subarray(Math.round((start - first * length) * rate)) };
  }

  /** (width, bands), as those of `Sight`; null: something else is looked at by now. @param {number} from @param {number} to @param {number} width @param {number} turn */
  async shades(from, to, width, turn) {
    const { bands, levels, deep } = this.sight.picture, { rate } = this.frames, part = this.part;
    if (!part) return null;
    const size = to - from < 1 ? SIZE / 2 : SIZE, fft = new Fourier(size), rows = bandsOf(this.sight.picture, rate, size);
    const decibels = new Float32Array(width * bands);
    let begun = performance.now();
    for (let x = 0; x < width; x++) {
      if (performance.now() - begun > TURN) {
        await new Promise((next) => { setTimeout(next); });
        if (turn !== this.turn) return null;
        begun = performance.now();
      }
      const centre = Math.round((from + (x + 0.5) * (to - from) / width - part.from) * rate);
      const power = fft.power(part.wave, centre - size / 2);
      rows.forEach(([low, high], band) => {
        let most = 0;
        for (let bin = low; bin <= high; bin++) most = Math.max(most, power[bin]);
        decibels[x * bands + band] = 10 * Math.log10(most + 1e-12);
      });
    }
    // As bright as the coarse picture of the same time: it knows how loud this is beside all the rest.
    const loudest = decibels.reduce((a, b) => Math.max(a, b), -200);
    const coarse = this.sight.columns.subarray(this.sight.column(from), this.sight.column(to) + bands);
    const top = coarse.reduce((a, b) => Math.max(a, b), 0) + 0.5;
    return Uint8Array.from(decibels, (level) => Math.min(levels - 1, Math.max(0, top + (level - loudest) / deep * levels)));
  }
}

/** First and last bin of each band. @param {Picture} picture @param {number} rate @param {number} size @returns {[number, number][]} */
function bandsOf({ bands, lowest, highest }, rate, size) {
  const mel = (/** @type {number} */ hertz) => 1127 * Math.log1p(hertz / 700);
  const edge = (/** @type {number} */ n) => 700 * Math.expm1((mel(lowest) + (mel(highest) - mel(lowest)) * n / (bands + 1)) / 1127);
  const bin = (/** @type {number} */ n) => Math.min(size / 2, Math.round((edge(n) * size) / rate));
  return Array.from({ length: bands }, (_, n) => [bin(n + 0.5), Math.max(bin(n + 0.5), bin(n + 1.5) - 1)]);
}

/** The power spectrum of one size of window, radix 2. */
class Fourier {
  /** @param {number} size a power of two */
  constructor(size) {
    this.size = size;
    this.real = new Float32Array(size);
    this.imag = new Float32Array(size);
    this.out = new Float32Array(size / 2 + 1);
    this.window = Float32Array.from({ length: size }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (n + 0.5)) / size));
    this.cos = Float32Array.from({ length: size / 2 }, (_, n) => Math.cos((2 * Math.PI * n) / size));
    this.sin = Float32Array.from({ length: size / 2 }, (_, n) => -Math.sin((2 * Math.PI * n) / size));
    const bits = Math.log2(size);
    this.order = Uint16Array.from({ length: size }, (_, n) => {
      let turned = 0;
      for (let bit = 0; bit < bits; bit++) turned = (turned << 1) | ((n >> bit) & 1);
      return turned;
    });
  }

  /** Of the wave from a sample on, silence around it. @param {Float32Array} wave @param {number} from */
  power(wave, from) {
    const { size, real, imag, order, window } = this;
    for (let n = 0; n < size; n++) {
      real[order[n]] = (wave[from + n] ?? 0) * window[n];
      imag[n] = 0;
    }
    for (let half = 1; half < size; half *= 2) this.round(half);
    for (let n = 0; n <= size / 2; n++) this.out[n] = real[n % size] ** 2 + imag[n % size] ** 2;
    return this.out;
  }

  /** All butterflies over this distance. @param {number} half */
  round(half) {
    const { size, real, imag, cos, sin } = this, step = size / (2 * half);
    for (let first = 0; first < size; first += 2 * half)
      for (let n = 0; n < half; n++) {
        const a = first + n, b = a + half, c = cos[n * step], s = sin[n * step];
        const x = real[b] * c - imag[b] * s, y = real[b] * s + imag[b] * c;
        real[b] = real[a] - x; imag[b] = imag[a] - y;
        real[a] += x; imag[a] += y;
      }
  }
}
