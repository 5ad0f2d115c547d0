// Axes and places in time, for the workbench's picture, the audit's curves and the listening page: ticks, a place that
// moves, a loop that is dragged, and zoom.
export function timeTicks(first, last, most = 8) {
  // round seconds within a span
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600, 7200];
  const step = steps.find((s) => (last - first) / s <= most) ?? 14400;
  const ticks = [];
  for (let i = Math.ceil(first / step - 1e-9); i * step <= last + 1e-9; i++) ticks.push(+(i * step).toFixed(3));
  return ticks;
}
export function timeText(seconds, fine = false) {
  // "4.2 s" or "1:05"
  if (seconds < 60) return `${fine ? seconds.toFixed(1) : +seconds.toFixed(2)} s`;
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const part = fine ? '.' + Math.floor(10 * (seconds - whole) + 1e-6) : '';
  return (h ? `${h}:${String(m).padStart(2, '0')}` : `${m}`) + `:${String(s).padStart(2, '0')}` + part;
}
const melOf = (hz) => 1127 * Math.log1p(hz / 700);
export function hzTicks(top) {
  // [Hz, place from 0 (bottom) to 1 (top)] on a mel axis up to `top` Hz, the top among them
  const ticks = [0, 250, 500, 1000, 2000, 4000, 8000, 16000].filter((hz) => hz < 0.8 * top);
  return [...ticks, top].map((hz) => [hz, melOf(hz) / melOf(top)]);
}
export function spacedTicks(top, least) {
  // of those, the ones that are so far apart (a share of the height); the top is always there
  const [first, ...ticks] = hzTicks(top);
  const last = ticks.pop();
  const kept = [first];
  for (const tick of ticks) if (tick[1] - kept.at(-1)[1] >= least && 1 - tick[1] >= least) kept.push(tick);
  return [...kept, last];
}
export const hzText = (hz) => (hz < 1000 ? `${hz} Hz` : `${+(hz / 1000).toFixed(1)} kHz`);

export class Timeline {
  // `content` is what lies below place and loop; a subclass paints it in `paint`
  constructor(h, content, { onseek, onloop, label = 'Position in the recording' }) {
    this.onseek = onseek;
    this.onloop = onloop;
    this.place = h('i', { class: 'ws-place' });
    this.region = h('div', { class: 'ws-region', hidden: true });
    this.area = h('div', { class: 'ws-area', tabindex: '0', role: 'slider', 'aria-label': label, 'aria-valuemin': '0' }, content, this.region, this.place);
    this.hz = h('div', { class: 'ws-hz', 'aria-hidden': 'true' });
    this.ticks = h('div', { class: 'ws-ticks', 'aria-hidden': 'true' });
    this.el = h('div', { class: 'ws-picture' }, this.hz, this.area, this.ticks);
    this.h = h;
    this.begin(1, 16000);
    this.area.addEventListener('pointerdown', (e) => this.drag(e));
    this.area.addEventListener('wheel', (e) => this.wheel(e), { passive: false });
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.area);
  }
  begin(seconds, rate) {
    // a sound of so many seconds, seen whole
    this.seconds = seconds;
    this.rate = rate;
    this.span = [0, seconds];
    this.showLoop(null);
    this.axes();
  }
  close() {
    this.observer.disconnect();
  }
  draw() {
    // once a frame at most
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.paint();
      this.axes();
    });
  }
  paint() {}
  axes() {
    const percent = (s) => (100 * (s - this.span[0])) / (this.span[1] - this.span[0]);
    const most = Math.max(2, Math.floor((this.area.clientWidth || 600) / 70));
    this.ticks.replaceChildren(
      ...timeTicks(...this.span, most).map((s) => this.h('span', { class: percent(s) > 96 ? 'ws-end' : undefined, style: percent(s) > 96 ? `right:${100 - percent(s)}%` : `left:${percent(s)}%`, text: timeText(s) })),
    );
    this.hz.replaceChildren(
      ...(this.rate ? spacedTicks(this.rate / 2, 22 / (this.area.clientHeight || 160)) : []).map(([hz, at]) => this.h('span', { style: `bottom:${100 * at}%`, text: hzText(hz) })),
    );
    this.move(this.at ?? 0);
    this.showLoop(this.loop);
  }
  move(seconds) {
    this.at = seconds;
    const share = (seconds - this.span[0]) / (this.span[1] - this.span[0]);
    this.place.style.left = `${100 * share}%`;
    this.place.hidden = share < 0 || share > 1;
    this.area.setAttribute('aria-valuemax', this.seconds.toFixed(2));
    this.area.setAttribute('aria-valuenow', seconds.toFixed(2));
    this.area.setAttribute('aria-valuetext', `${timeText(seconds, true)} of ${timeText(this.seconds, true)}`);
  }
  showLoop(loop) {
    this.loop = loop;
    this.region.hidden = !loop;
    if (!loop) return;
    const percent = (s) => Math.max(0, Math.min(100, (100 * (s - this.span[0])) / (this.span[1] - this.span[0])));
    this.region.style.left = `${percent(loop[0])}%`;
    this.region.style.width = `${percent(loop[1]) - percent(loop[0])}%`;
  }
  secondsAt(event) {
    const box = this.area.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    return this.span[0] + share * (this.span[1] - this.span[0]);
  }
  drag(event) {
    // a click goes there, a drag is a loop
    if (event.button) return;
    const from = this.secondsAt(event);
    const x = event.clientX;
    let loop = null;
    this.area.setPointerCapture(event.pointerId);
    const move = (e) => {
      if (Math.abs(e.clientX - x) < 5 && !loop) return;
      loop = [from, this.secondsAt(e)].sort((a, b) => a - b);
      this.showLoop(loop);
    };
    const end = () => {
      this.area.removeEventListener('pointermove', move);
      this.area.removeEventListener('pointerup', end);
      this.area.removeEventListener('pointercancel', end);
      if (loop && loop[1] - loop[0] >= 0.05) this.onloop(loop);
      else this.onseek(from);
    };
    this.area.addEventListener('pointermove', move);
    this.area.addEventListener('pointerup', end);
    this.area.addEventListener('pointercancel', end);
  }
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    this.zoom(event.deltaY < 0 ? 1.25 : 0.8, this.secondsAt(event));
  }
  zoom(by, around = this.at ?? 0) {
    // a part of the recording, the place `around` staying where it is
    const length = Math.max(Math.min(0.2, this.seconds), Math.min(this.seconds, (this.span[1] - this.span[0]) / by));
    const inside = around >= this.span[0] && around <= this.span[1] ? around : (this.span[0] + this.span[1]) / 2;
    const share = (inside - this.span[0]) / (this.span[1] - this.span[0]);
    const first = Math.max(0, Math.min(this.seconds - length, inside - share * length));
    this.span = [first, first + length];
    this.draw();
    this.axes();
  }
  follow(seconds) {
    // turn the page when the place leaves it
    const length = this.span[1] - this.span[0];
    if (length < this.seconds - 1e-6 && (seconds < this.span[0] || seconds > this.span[1])) {
      const first = Math.max(0, Math.min(this.seconds - length, seconds - 0.05 * length));
      this.span = [first, first + length];
      this.draw();
    }
    this.move(seconds);
  }
}
