/**
 * Mouse and fingers on the picture: jump, pick, drag edges, move along, zoom.
 *
 * @typedef {import("./edit.js").Place} Place
 * @typedef {import("./edit.js").Side} Side
 * @typedef {import("./timeline.js").Timeline} Timeline
 * @typedef {{jump: (time: number) => void, pick: (place: Place, jump: boolean) => void,
 *   drag: (place: Place, side: Side, time: number, free: boolean) => void, drop: () => void}} Hands
 */

const STILL = 4; // pixels: less is a click

/** @param {Timeline} timeline @param {Hands} hands */
export function onTimeline(timeline, hands) {
  const { canvas } = timeline;
  /** @type {Map<number, number>} x of each finger */
  const fingers = new Map();
  /** @type {{x: number, from: number, to: number, moved: boolean, hit: ReturnType<Timeline["hit"]>} | null} */
  let held = null;
  const place = (/** @type {PointerEvent | WheelEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  canvas.addEventListener("pointerdown", (event) => {
    const { x, y } = place(event);
    fingers.set(event.pointerId, x);
    canvas.setPointerCapture(event.pointerId);
    held = { x, from: timeline.from, to: timeline.to, moved: false, hit: timeline.hit(x, y) };
    if (held.hit) hands.pick(held.hit.place, false);
  });

  canvas.addEventListener("pointermove", (event) => {
    const { x, y } = place(event);
    if (!held) {
      const hit = timeline.hit(x, y);
      canvas.style.cursor = hit?.side ? "col-resize" : hit ? "pointer" : "crosshair";
      return;
    }
    if (fingers.size === 2) pinch(event.pointerId, x);
    fingers.set(event.pointerId, x);
    if (fingers.size > 1) return;
    held.moved ||= Math.abs(x - held.x) >= STILL;
    if (!held.moved) return;
    if (held.hit?.side) hands.drag(held.hit.place, held.hit.side, timeline.time(x), event.altKey);
    else {
      const by = ((held.x - x) / timeline.width) * (held.to - held.from);
      timeline.show(held.from + by, held.to + by);
    }
  });

  /** @param {number} id @param {number} x */
  function pinch(id, x) {
    const other = [...fingers].find(([one]) => one !== id)?.[1] ?? x;
    const before = Math.abs((fingers.get(id) ?? x) - other), now = Math.abs(x - other);
    if (before > 10 && now > 10) timeline.zoom(now / before, timeline.time((x + other) / 2));
    if (held) held.moved = true;
  }

  /** @param {PointerEvent} event */
  function up(event) {
    fingers.delete(event.pointerId);
    if (!held || fingers.size) return;
    if (held.moved && held.hit?.side) hands.drop();
    else if (!held.moved && event.type === "pointerup") {
      if (held.hit) hands.pick(held.hit.place, true); else hands.jump(timeline.time(held.x));
    }
    held = null;
  }
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);

  canvas.addEventListener("wheel", (event) => {
    const length = timeline.to - timeline.from;
    if (event.ctrlKey || event.metaKey) timeline.zoom(1.0018 ** -event.deltaY, timeline.time(place(event).x));
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = ((event.deltaX || event.deltaY) / timeline.width) * length;
      timeline.show(timeline.from + by, timeline.to + by);
    } else return; // the page scrolls
    event.preventDefault();
  }, { passive: false });
}

/** A click on the picture of the whole jumps, dragging moves along. @param {Timeline} timeline @param {(time: number) => void} jump */
export function onOverview(timeline, jump) {
  const { overview } = timeline;
  const to = (/** @type {PointerEvent} */ event) => {
    const box = overview.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * timeline.seconds;
  };
  overview.addEventListener("pointerdown", (event) => {
    overview.setPointerCapture(event.pointerId);
    jump(to(event));
  });
  overview.addEventListener("pointermove", (event) => {
    if (event.buttons) jump(to(event));
  });
}
