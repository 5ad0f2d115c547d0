// The coloured spectrogram of what is heard, with its axes, the place, a loop that is dragged, and zoom.
import { hzText, hzTicks, timeText, timeTicks } from './player.js';

const BANDS = 80;
const RANGE = 70; // dB from dark to bright
export const POWER = Float64Array.from({ length: 256 }, (_, v) => (v ? 10 ** ((v / 2 - 110) / 10) : 0)); // 0 is silence
export function rgbOf(colour) {
  return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16) / 255);
}
export function paintColumns(out, width, columns, factors, colours, top) {
  // out: RGBA bytes (BANDS rows, high frequencies first); columns: for each sound a function from x to the bytes of
  // its column, or null where there is none
  const names = Object.keys(columns);
  const weight = names.map((n) => (factors[n] ?? 0) ** 2);
  const rgb = names.map((n) => rgbOf(colours[n]));
  for (let x = 0; x < width; x++) {
    const bytes = names.map((n) => columns[n](x));
    for (let q = 0; q < BANDS; q++) {
      let whole = 1e-20;
      let [r, g, b] = [0, 0, 0];
      for (let k = 0; k < names.length; k++) {
        if (!bytes[k] || !weight[k]) continue;
        const power = POWER[bytes[k][q]] * weight[k];
        whole += power;
        r += power * rgb[k][0];
        g += power * rgb[k][1];
        b += power * rgb[k][2];
      }
      const bright = Math.max(0, Math.min(1, 1 + (10 * Math.log10(whole / top)) / RANGE));
      const most = Math.max(r, g, b, 1e-20);
      const at = 4 * ((BANDS - 1 - q) * width + x);
      out[at] = (255 * bright * r) / most;
      out[at + 1] = (255 * bright * g) / most;
      out[at + 2] = (255 * bright * b) / most;
      out[at + 3] = 255;
    }
  }
}

export class Picture {
  constructor(h, { onseek, onloop }) {
    this.onseek = onseek;
    this.onloop = onloop;
    this.canvas = h('canvas', { 'aria-hidden': 'true' });
    this.place = h('i', { class: 'ws-place' });
    this.region = h('div', { class: 'ws-region', hidden: true });
    this.area = h(
      'div',
      { class: 'ws-area', tabindex: '0', role: 'slider', 'aria-label': 'Position in the recording', 'aria-valuemin': '0' },
      this.canvas,
      this.region,
      this.place,
    );
    this.hz = h('div', { class: 'ws-hz', 'aria-hidden': 'true' });
    this.ticks = h('div', { class: 'ws-ticks', 'aria-hidden': 'true' });
    this.el = h('div', { class: 'ws-picture' }, this.hz, this.area, this.ticks);
    this.h = h;
    this.reset(1, 16000);
    this.area.addEventListener('pointerdown', (e) => this.drag(e));
    this.area.addEventListener('wheel', (e) => this.wheel(e), { passive: false });
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.area);
  }
  reset(seconds, rate) {
    this.seconds = seconds;
    this.rate = rate;
    this.span = [0, seconds];
    this.levels = {};
    this.factors = {};
    this.colours = {};
    this.top = 1e-6;
    this.showLoop(null);
    this.axes();
  }
  close() {
    this.observer.disconnect();
  }
  add(name, start, hop, bytes) {
    const parts = (this.levels[name] ?? []).filter((p) => Math.abs(p.start - start) > 1e-6);
    this.levels[name] = [...parts, { start, hop, bytes }].sort((a, b) => a.start - b.start);
    if (name === 'recording') this.top = Math.max(this.top, POWER[bytes.reduce((m, v) => Math.max(m, v), 0)]);
    this.draw();
  }
  show(factors, colours) {
    this.factors = factors;
    this.colours = colours;
    this.draw();
  }
  columnsOf(name) {
    const parts = this.levels[name] ?? [];
    const width = this.canvas.width;
    const step = (this.span[1] - this.span[0]) / width;
    return (x) => {
      const at = this.span[0] + (x + 0.5) * step;
      const part = parts.findLast((p) => p.start <= at + 1e-9);
      if (!part) return null;
      const last = part.bytes.length / BANDS - 1;
      const f = Math.floor((at - part.start) / part.hop);
      return f > last + 1 ? null : part.bytes.subarray(Math.min(f, last) * BANDS, (Math.min(f, last) + 1) * BANDS);
    };
  }
  draw() {
    // once a frame at most
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.paint();
    });
  }
  paint() {
    const width = Math.max(1, Math.min(1600, Math.round(this.area.clientWidth * (devicePixelRatio || 1))));
    if (this.canvas.width !== width || this.canvas.height !== BANDS) Object.assign(this.canvas, { width, height: BANDS });
    const context = this.canvas.getContext('2d');
    const image = context.createImageData(width, BANDS);
    const apart = this.levels.rest && Object.keys(this.factors).every((n) => this.levels[n]);
    const names = apart ? Object.keys(this.factors) : ['recording'];
    const factors = apart ? this.factors : { recording: 1 };
    const colours = apart ? this.colours : { recording: '#8a8a8a' };
    const columns = Object.fromEntries(names.map((n) => [n, this.columnsOf(n)]));
    paintColumns(image.data, width, columns, factors, colours, this.top);
    context.putImageData(image, 0, 0);
    this.axes();
  }
  axes() {
    const percent = (s) => (100 * (s - this.span[0])) / (this.span[1] - this.span[0]);
    const most = Math.max(2, Math.floor((this.area.clientWidth || 600) / 70));
    this.ticks.replaceChildren(
      ...timeTicks(...this.span, most).map((s) => this.h('span', { class: percent(s) > 96 ? 'ws-end' : undefined, style: percent(s) > 96 ? `right:${100 - percent(s)}%` : `left:${percent(s)}%`, text: timeText(s) })),
    );
    this.hz.replaceChildren(
      ...hzTicks(this.rate / 2)
        .filter((_, i, all) => i % 2 === 0 || i === all.length - 1)
        .map(([hz, at]) => this.h('span', { style: `bottom:${100 * at}%`, text: hzText(hz) })),
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
