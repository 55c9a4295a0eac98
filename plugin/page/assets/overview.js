/** The whole song in one strip: where the view is, where nobody sings, where doubts are. */
import { isDoubtful, isTimed } from "./model.js";

/** Pixels that it is high. */
export const OVERVIEW = 34;
const MIDDLE = 15, HALF = 14, DOUBTS = 30; // of the wave, and where the marks of doubts begin

/**
 * @param {CanvasRenderingContext2D} pen @param {import("./timeline.js").Timeline} timeline
 * @param {import("./timeline.js").Scene} scene @param {Record<string, string>} colours
 */
export function drawOverview(pen, timeline, scene, colours) {
  const { width, seconds, from, to } = timeline;
  const x = (/** @type {number} */ time) => (time / seconds) * width;
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, width, OVERVIEW);
  pen.fillStyle = colours.shade;
  for (const [start, end] of scene.instrumentals) pen.fillRect(x(start), 0, x(end) - x(start), OVERVIEW);
  drawWave(pen, timeline.sight.peaks(0, seconds, Math.ceil(width)), colours.wave);
  pen.fillStyle = colours.ink;
  for (const line of scene.lines)
    if (isTimed(line) && isDoubtful(line, scene.threshold)) pen.fillRect(x(line.start), DOUBTS, Math.max(2, x(line.end) - x(line.start)), OVERVIEW - DOUBTS);
  pen.strokeStyle = colours.pick;
  pen.lineWidth = 2;
  pen.strokeRect(x(from) + 1, 1, Math.max(4, x(to) - x(from)) - 2, OVERVIEW - 2);
  pen.fillStyle = colours.play;
  pen.fillRect(x(scene.time) - 1, 0, 2, OVERVIEW);
}

/** @param {CanvasRenderingContext2D} pen @param {Int8Array} peaks @param {string} colour */
function drawWave(pen, peaks, colour) {
  pen.fillStyle = colour;
  for (let at = 0; at < peaks.length / 2; at++) {
    const high = (peaks[2 * at + 1] / 127) * HALF, low = (peaks[2 * at] / 127) * HALF;
    pen.fillRect(at, MIDDLE - high, 1, Math.max(1, high - low));
  }
}
