// One player for widgets and pages. It holds a recording and the sounds taken out of it, all on one clock, so that
// what is heard changes at one sample: "before", the mix, what was removed and each sound alone are weighted sums of
// the same running tracks. The upper half is arithmetic without a browser; `Player` needs Web Audio.

// ---- levels
export const factorOf = (db) => (db === null || db === -Infinity ? 0 : 10 ** (db / 20));
export const decibels = (factor) => (factor > 0 ? 20 * Math.log10(factor) : -Infinity);
export function levelText(db) {
  // "-6 dB", "+3 dB", "0 dB", "silent"
  if (db === null || db === -Infinity) return 'silent';
  const rounded = Math.round(db * 10) / 10;
  return `${rounded > 0 ? '+' : ''}${rounded === 0 ? 0 : rounded} dB`;
}

// ---- faders; `state` has gains (name -> dB, "rest" among them), muted and soloed (lists of names)
export function heardFactors(state) {
  // name -> factor, after mute and solo
  const { gains, muted, soloed } = state;
  const silent = (n) => muted.includes(n) || (soloed.length > 0 && !soloed.includes(n));
  return Object.fromEntries(Object.keys(gains).map((n) => [n, silent(n) ? 0 : factorOf(gains[n])]));
}
export function weightsOf(source, factors) {
  // how much of the recording ("recording") and of each sound is in a source: "before", "mix", "removed", "rest" or
  // the name of a sound; with all faders at 0 dB the mix is the recording itself, however the sounds were coded
  const { rest, ...sounds } = factors;
  const all = (x, f) => ({ recording: x, ...Object.fromEntries(Object.keys(sounds).map((n) => [n, f(n)])) });
  if (source === 'before') return all(1, () => 0);
  if (source === 'mix') return all(rest, (n) => sounds[n] - rest);
  if (source === 'removed') return all(1 - rest, (n) => rest - sounds[n]);
  if (source === 'rest') return all(1, () => -1);
  return all(0, (n) => (n === source ? 1 : 0));
}
export function toggled(list, name) {
  return list.includes(name) ? list.filter((n) => n !== name) : [...list, name];
}
export function picked(state, name) {
  // "keep", "drop" or ""
  if (state.soloed.includes(name)) return 'keep';
  return state.muted.includes(name) ? 'drop' : '';
}
export function withPick(state, names, verb) {
  // the state after names were picked; picked twice, they are let go
  const again = names.every((n) => picked(state, n) === verb);
  const without = (list) => list.filter((n) => !names.includes(n));
  const next = { ...state, muted: without(state.muted), soloed: without(state.soloed) };
  if (again || !verb) return next;
  const list = verb === 'keep' ? 'soloed' : 'muted';
  return { ...next, [list]: [...next[list], ...names] };
}

// ---- how loud a weighted sum is (ITU-R BS.1770): for every 0.1 s the products of the filtered tracks are known, so
// no sample is touched again
export function sumLoudness(grams, n, weights) {
  // grams: Float32Array of blocks, each n (n + 1) / 2 mean products, row by row; LUFS, -70 for silence
  const size = (n * (n + 1)) / 2;
  const hops = new Float64Array(grams.length / size);
  for (let b = 0; b < hops.length; b++) {
    let power = 0;
    for (let i = 0, at = b * size; i < n; i++)
      for (let j = i; j < n; j++, at++) power += (i === j ? 1 : 2) * weights[i] * weights[j] * grams[at];
    hops[b] = Math.max(0, power);
  }
  let blocks = [];
  const width = Math.min(4, hops.length);
  for (let b = 0; b + width <= hops.length; b++)
    blocks.push((hops[b] + (hops[b + 1] ?? 0) * (width > 1) + (hops[b + 2] ?? 0) * (width > 2) + (hops[b + 3] ?? 0) * (width > 3)) / width);
  const mean = (x) => x.reduce((s, v) => s + v, 0) / x.length;
  let gate = 10 ** ((-70 + 0.691) / 10);
  for (let round = 0; round < 2; round++) {
    blocks = blocks.filter((p) => p > gate);
    if (!blocks.length) return -70;
    gate = Math.max(gate, mean(blocks) / 10);
  }
  return 10 * Math.log10(mean(blocks)) - 0.691;
}
export function matchingFactor(level, reference) {
  // what makes a sound as loud as the recording, which itself is played at -20 LUFS at most
  if (level <= -70 || reference <= -70) return 1;
  return 10 ** (Math.min(30, Math.max(-30, Math.min(-20, reference) - level)) / 20);
}

// ---- keys: what is meant by one, or nothing; `typing` is whether letters are being written
const KEYS = { ' ': 'toggle', a: 'before', b: 'mix', r: 'removed', l: 'loop', m: 'mute', s: 'solo' };
export function actionOf(event, typing = false) {
  if (event.ctrlKey || event.metaKey) {
    const key = event.key.toLowerCase();
    if (key === 'z') return event.shiftKey ? 'redo' : 'undo';
    return key === 'y' ? 'redo' : null;
  }
  if (typing || event.altKey) return null;
  return KEYS[event.key.toLowerCase()] ?? null;
}

// ---- undo and redo of states
export class History {
  constructor(state) {
    this.states = [state];
    this.at = 0;
  }
  get state() {
    return this.states[this.at];
  }
  push(state) {
    // states of one drag are one move when they come with the same `merge`
    this.states.splice(this.at + 1, Infinity, state);
    this.states = this.states.slice(-500);
    this.at = this.states.length - 1;
  }
  replace(state) {
    this.states[this.at] = state;
  }
  move(by) {
    const to = this.at + by;
    if (to < 0 || to >= this.states.length) return null;
    this.at = to;
    return this.state;
  }
}

// ---- the player: tracks of parts, all started at one time of one clock; a pass is a stretch that is played once, a
// loop is passes laid one after the other
const AHEAD = 1.5; // s that are laid out beforehand
const FADE = 0.004; // s in which a switch fades, or it would click
export class Player {
  constructor(rate, seconds, context) {
    this.seconds = seconds;
    this.context = context ?? newContext(rate);
    this.parts = []; // { name, start (s), buffer, offset (s), seconds }
    this.nodes = new Map(); // name -> GainNode
    this.scales = new Map();
    this.weights = {};
    this.factor = 1;
    this.passes = []; // { from, to (s of the recording), at (s of the clock), sources }
    this.place = 0;
    this.loop = null;
    this.repeat = false;
    this.playing = false;
    this.onend = () => {};
    this.master = this.context.createGain();
    this.master.connect(this.context.destination);
  }

  async add(name, start, bytes, { lead = 0, seconds, scale = 1 } = {}) {
    // decode a part of a track; what plays goes on and takes it up
    const buffer = await this.context.decodeAudioData(bytes);
    this.put(name, start, buffer, { lead, seconds, scale });
  }
  put(name, start, buffer, { lead = 0, seconds, scale = 1 } = {}) {
    const part = { name, start, buffer, offset: lead, seconds: seconds ?? buffer.duration - lead, scale };
    this.parts = this.parts.filter((p) => p.name !== name || p.start !== start).concat(part);
    if (!this.nodes.has(name)) {
      const node = this.context.createGain();
      node.gain.value = 0;
      node.connect(this.master);
      this.nodes.set(name, node);
      this.apply(0);
    }
    const now = this.context.currentTime;
    for (const pass of this.passes) if (pass.at + (pass.to - pass.from) > now) this.lay(pass, part);
  }
  forget() {
    // let go of all tracks
    this.pause();
    this.parts = [];
    this.nodes.forEach((node) => node.disconnect());
    this.nodes.clear();
  }
  has(name) {
    return this.parts.some((p) => p.name === name);
  }
  loaded(name) {
    // seconds of a track that are there, from its beginning
    const parts = this.parts.filter((p) => p.name === name).sort((a, b) => a.start - b.start);
    return parts.reduce((end, p) => (p.start <= end + 0.01 ? Math.max(end, p.start + p.seconds) : end), 0);
  }

  set(weights, factor = this.factor) {
    // what is heard from now on: name of a track -> weight, and a factor for all
    this.weights = weights;
    this.factor = factor;
    this.apply(FADE);
  }
  apply(fade) {
    const now = this.context.currentTime;
    for (const [name, node] of this.nodes) {
      const value = this.weights[name] ?? 0;
      const gain = node.gain;
      if (!this.playing || !fade) {
        gain.cancelScheduledValues(now);
        gain.setValueAtTime(value, now);
      } else ramp(gain, value, now, fade);
    }
    if (this.playing && fade) ramp(this.master.gain, this.factor, now, fade);
    else this.master.gain.setValueAtTime(this.factor, now);
  }

  position() {
    // s of the recording
    if (!this.playing) return this.place;
    const now = this.context.currentTime - (this.context.outputLatency || 0);
    const pass = this.passes.findLast((p) => p.at <= now) ?? this.passes[0];
    return pass ? Math.min(pass.to, Math.max(pass.from, pass.from + now - pass.at)) : this.place;
  }
  play() {
    if (this.playing) return;
    this.context.resume?.();
    const [first, last] = this.span();
    if (this.place < first || this.place >= last - 0.005) this.place = first;
    this.playing = true;
    this.apply(0);
    this.begin(this.place);
    this.timer = setInterval(() => this.tick(), 50);
    this.timer.unref?.();
  }
  pause() {
    if (!this.playing) return;
    this.place = this.position();
    this.playing = false;
    clearInterval(this.timer);
    this.stopAll();
  }
  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }
  seek(seconds) {
    const to = Math.min(this.seconds, Math.max(0, seconds));
    if (this.playing) {
      this.stopAll();
      this.begin(Math.min(to, this.span()[1] - 0.005));
    } else this.place = to;
  }
  setLoop(span) {
    // [from, to] in s, or null: play on from where it is, or from the beginning of the loop
    this.loop = span && span[1] - span[0] >= 0.02 ? span : null;
    if (!this.playing) {
      if (this.loop) this.place = this.loop[0];
      return;
    }
    const at = this.position();
    const [first, last] = this.span();
    this.seek(at < first || at >= last ? first : at);
  }
  span() {
    return this.loop ?? [0, this.seconds];
  }

  whole(seconds) {
    // at a sample: a sound that begins between two is interpolated, and no longer what was recorded
    const rate = this.context.sampleRate;
    return Math.round(seconds * rate) / rate;
  }
  begin(from) {
    this.passes = [];
    this.next(Math.max(0, from), this.context.currentTime + 0.03);
    this.tick();
  }
  next(from, at) {
    const pass = { from: this.whole(from), to: this.whole(this.span()[1]), at: this.whole(at), sources: [] };
    this.passes.push(pass);
    this.parts.forEach((part) => this.lay(pass, part));
  }
  lay(pass, part) {
    // start a part at its place in a pass, or in the middle of it when its place has gone by
    const end = Math.min(pass.to, part.start + part.seconds);
    let from = Math.max(pass.from, part.start);
    let when = pass.at + (from - pass.from);
    const late = this.whole(this.context.currentTime + 0.01 - when);
    if (late > 0) {
      from += late;
      when += late;
    }
    if (end - from < 1e-6) return;
    const source = this.context.createBufferSource();
    source.buffer = part.buffer;
    let to = this.nodes.get(part.name);
    if (part.scale !== 1) {
      const scaled = this.context.createGain();
      scaled.gain.value = part.scale;
      scaled.connect(to);
      to = scaled;
    }
    source.connect(to);
    source.start(when, part.offset + from - part.start, end - from);
    pass.sources.push(source);
  }
  tick() {
    // lay out what comes next, and end
    const now = this.context.currentTime;
    for (;;) {
      const last = this.passes.at(-1);
      const end = last.at + last.to - last.from;
      if (!this.loop && !this.repeat) {
        if (now >= end) {
          this.pause();
          this.place = this.seconds;
          this.onend();
        }
        break;
      }
      if (end > now + AHEAD) break;
      this.next(this.span()[0], end);
    }
    this.passes = this.passes.filter((p, i) => i === this.passes.length - 1 || p.at + p.to - p.from > now - 0.5);
  }
  stopAll() {
    for (const pass of this.passes) for (const source of pass.sources) source.stop();
    this.passes = [];
  }
}
function ramp(gain, value, now, fade) {
  const from = gain.value;
  gain.cancelScheduledValues(now);
  gain.setValueAtTime(from, now);
  gain.linearRampToValueAtTime(value, now + fade);
}
export const canPlay = () => typeof AudioContext !== 'undefined';
function newContext(rate) {
  try {
    return new AudioContext({ sampleRate: rate });
  } catch {
    return new AudioContext(); // a rate that this machine has not: the browser resamples
  }
}
