/** Times, places and colours: small things that the picture is made with. */
import { above } from "./model.js";

/** @param {number} time @param {number} start @param {number} end @returns {[number, import("./edit.js").Side]} */
export const nearest = (time, start, end) => (Math.abs(time - start) <= Math.abs(time - end) ? [Math.abs(time - start), "start"] : [Math.abs(time - end), "end"]);

/** @param {import("./timeline.js").Lane} lane @param {number} y */
export const inLane = (lane, y) => y >= lane.top && y < lane.top + lane.height;

/**
 * Of items that are sorted by start those that may be seen; what begins up to a minute before may last until then.
 * @template T @param {T[]} items @param {number} from @param {number} to @param {(item: T) => number} of
 */
export function within(items, from, to, of) {
  return items.slice(above(items, from - 60, of), above(items, to, of));
}

/** @param {string} colour "#rrggbb" */
export const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
