// The coloured spectrogram of what is heard.
import { Timeline } from './axes.js';

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

export class Picture extends Timeline {
  constructor(h, on) {
    const canvas = h('canvas', { 'aria-hidden': 'true' });
    super(h, canvas, on);
    this.canvas = canvas;
    this.reset(1, 16000);
  }
  reset(seconds, rate) {
    this.levels = {};
    this.factors = {};
    this.colours = {};
    this.top = 1e-6;
    this.begin(seconds, rate);
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
  }
}
