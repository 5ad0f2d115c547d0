// The workbench in the browser: it shows what the kernel knows, plays what the kernel has taken apart, and says which
// faders were moved. Names of files and sounds are text everywhere.
import { button, h } from './elements.js';
import { timeText } from './axes.js';
import { actionOf, canPlay, decibels, heardFactors, History, levelText, matchingFactor, picked, Player, sumLoudness, weightsOf, withPick } from './player.js';
import { Classes } from './classes.js';
import { Picture } from './picture.js';
import { forget, recall, remember, wavOf } from './files.js';

const PIECE = 2 ** 20; // bytes of an upload that go at once
const DECODED_HERE = /\.(m4a|aac|mp4|mov|webm|weba|3gp)$/i;
const SOUNDS = '.wav,.mp3,.flac,.ogg,.opus,.aiff,.aif,.m4a,.aac,audio/*';
export const labelOf = (name) => (name === 'rest' ? 'Everything else' : name);
export function leftText(seconds) {
  // "about 12 s left"
  if (seconds === null || seconds === undefined) return '';
  return seconds < 90 ? `about ${Math.max(1, Math.round(seconds))} s left` : `about ${Math.round(seconds / 60)} min left`;
}
export function secondsText(times) {
  // when a sound is heard, in words
  if (!times.length) return 'not heard';
  const some = times.slice(0, 4).map(([a, b]) => `${timeText(a, true)} to ${timeText(b, true)}`);
  return `heard from ${some.join(', ')}${times.length > 4 ? ` and ${times.length - 4} times more` : ''}`;
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

class Bench {
  constructor(model, el) {
    this.model = model;
    this.id = Math.random().toString(36).slice(2);
    this.take = 0;
    this.source = 'mix';
    this.alone = null;
    this.wanted = {}; // picks of sounds that are still being taken out
    this.uploads = 0;
    this.alive = true;
    this.build();
    el.append(this.root);
    this.playing.disabled = !canPlay();
    this.fresh(model.get('take'));
    const heard = { recording: this.showRecording, sounds: this.showSounds, faders: this.fadersCame, progress: this.showProgress, problem: this.showProblem, lines: this.showLines, classes: this.fillClasses, options: this.setOptions };
    this.listeners = Object.entries(heard).map(([name, f]) => [`change:${name}`, () => f.call(this)]);
    this.listeners.push(['change:take', () => this.fresh(model.get('take'))], ['msg:custom', (m, b) => this.message(m, b)]);
    for (const [event, f] of this.listeners) model.on(event, f);
    for (const f of Object.values(heard)) f.call(this);
    this.problems = model.get('problem').n;
    model.send({ type: 'hello', id: this.id });
    this.clock = setInterval(() => this.second(), 1000);
    this.frame();
  }
  close() {
    this.alive = false;
    clearInterval(this.clock);
    for (const [event, f] of this.listeners) this.model.off(event, f);
    if (this.onDocument) document.removeEventListener('keydown', this.onDocument);
    this.player?.forget();
    this.player?.context.close();
    this.picture.close();
  }

  // ---- what there is to see
  build() {
    this.file = h('input', { type: 'file', accept: SOUNDS, hidden: true, 'aria-label': 'Choose a recording', on: { change: () => this.chose(this.file, 'recording') } });
    this.sample = h('input', { type: 'file', accept: SOUNDS, hidden: true, 'aria-label': 'Choose an example', on: { change: () => this.chose(this.sample, 'example') } });
    this.record = button('Record', () => this.recording());
    this.tryIt = button('Try an example', () => this.model.send({ type: 'example' }), { hidden: true });
    this.enhance = button('Enhance: speech only', () => this.onlySpeech(), { class: 'ws-button ws-first' });
    this.title = h('p', { class: 'ws-file', role: 'status' });
    this.note = h('p', { class: 'ws-help' });
    this.problem = h('p', { class: 'ws-note ws-problem', role: 'alert', hidden: true });
    this.gone = h('p', { class: 'ws-note ws-problem', role: 'alert', hidden: true, text: 'The server does not answer. What is here can still be heard; reload the page when the server runs again, and your file and picks come back.' });
    this.bar = h('progress', { max: '1', 'aria-label': 'Progress' });
    this.stage = h('span', { class: 'ws-stage' });
    this.stop = button('Cancel', () => this.model.send({ type: 'cancel' }));
    this.work = h('div', { class: 'ws-work', hidden: true }, this.bar, this.stage, this.stop);
    this.picture = new Picture(h, { onseek: (s) => this.seek(s), onloop: (l) => this.setLoop(l) });
    this.rows = h('div', { class: 'ws-sounds' });
    this.classes = new Classes(h, { faders: () => this.faders, onpick: (names, verb) => this.pick(names, verb), onunknown: (e) => this.unknown(e) });
    this.python = this.codeLine('Python');
    this.command = this.codeLine('Command');
    this.unchanged = h('p', { class: 'ws-help', text: 'Nothing is changed yet: what you hear is the recording.' });
    this.choice = h('select', { 'aria-label': 'What to download' });
    this.unknownNote = h('p', { class: 'ws-note', role: 'status', hidden: true });
    this.example = button('Give an example', () => this.sample.click(), { hidden: true });
    this.desk = h('div', { class: 'ws-desk' }, this.transport(), this.picture.el, this.tools(), this.rows, h('h2', { class: 'ws-heading', text: 'Another sound' }), this.classes.el, this.unknownNote, this.example, this.outputs());
    const head = h('div', { class: 'ws-head' }, button('Choose a recording', () => this.file.click()), this.record, this.tryIt, this.enhance, h('span', { class: 'ws-hint', text: 'or drop one anywhere here' }));
    const mute = h('p', { class: 'ws-note ws-problem', role: 'alert', hidden: canPlay(), text: 'This browser cannot mix sound (it has no Web Audio). Downloads and lines work; another browser plays it.' });
    this.root = h('section', { class: 'weakse ws-bench', 'aria-label': 'Workbench', 'data-lm-suppress-shortcuts': 'true' }, this.gone, mute, head, this.file, this.sample, this.title, this.note, this.problem, this.work, this.desk);
    this.root.addEventListener('keydown', (e) => this.key(e));
    for (const event of ['dragenter', 'dragover']) this.root.addEventListener(event, (e) => this.over(e, true));
    this.root.addEventListener('dragleave', (e) => this.over(e, this.root.contains(e.relatedTarget)));
    this.root.addEventListener('drop', (e) => this.dropped(e));
  }
  transport() {
    this.playing = button('Play', () => this.toggle(), { class: 'ws-button ws-first ws-play' });
    this.sources = Object.fromEntries([['before', 'Before', 'A'], ['mix', 'Mix', 'B'], ['removed', 'Removed', 'R']].map(([n, t, k]) => [n, button(t, () => this.listen(n), { 'aria-pressed': 'false', 'aria-keyshortcuts': k, title: `${t} (${k})` })]));
    this.repeat = button('Loop', () => this.toggleLoop(), { 'aria-pressed': 'false', 'aria-keyshortcuts': 'L', title: 'Loop (L); drag in the picture to choose what' });
    this.matched = h('input', { type: 'checkbox', checked: true, on: { change: () => this.sound() } });
    this.matched.checked = true;
    this.time = h('span', { class: 'ws-time' });
    this.meterBar = h('i');
    this.meter = h('div', { class: 'ws-meter', role: 'meter', 'aria-label': 'Peak level', 'aria-valuemin': '-60', 'aria-valuemax': '6', 'aria-valuenow': '-60', 'aria-valuetext': 'silent' }, this.meterBar);
    this.overSign = button('Over 0 dBFS', () => (this.overSign.hidden = true), { class: 'ws-button ws-over', hidden: true, title: 'The sum was larger than full scale: lower a fader. Press to clear.' });
    return h('div', { class: 'ws-bar' }, this.playing, h('div', { class: 'ws-group', role: 'group', 'aria-label': 'What to hear' }, ...Object.values(this.sources)), this.repeat, h('label', { class: 'ws-switch' }, this.matched, 'Same loudness'), this.time, this.meter, this.overSign);
  }
  tools() {
    this.undo = button('Undo', () => this.step(-1), { 'aria-keyshortcuts': 'Control+Z' });
    this.redo = button('Redo', () => this.step(1), { 'aria-keyshortcuts': 'Control+Y' });
    const reset = button('All to 0 dB', () => this.change({ gains: Object.fromEntries(Object.keys(this.faders.gains).map((n) => [n, 0])), muted: [], soloed: [] }));
    return h('div', { class: 'ws-bar' }, button('+', () => this.picture.zoom(2), { 'aria-label': 'Zoom in' }), button('−', () => this.picture.zoom(0.5), { 'aria-label': 'Zoom out' }), this.undo, this.redo, reset);
  }
  outputs() {
    const get = button('Download', () => this.model.send({ type: 'get', what: this.choice.value }));
    return h('div', { class: 'ws-out' }, h('h2', { class: 'ws-heading', text: 'Take it with you' }), h('div', { class: 'ws-bar' }, this.choice, get), this.unchanged, this.python.el, this.command.el);
  }
  codeLine(label) {
    const code = h('code', { tabindex: '0' });
    const copy = button('Copy', () => navigator.clipboard.writeText(code.textContent).then(() => {
      copy.textContent = 'Copied';
      setTimeout(() => (copy.textContent = 'Copy'), 1500);
    }), { 'aria-label': `Copy: ${label}` });
    return { code, el: h('div', { class: 'ws-line', hidden: true }, h('span', { text: label }), code, copy) };
  }

  // ---- a recording comes
  fresh(take) {
    // nothing of an earlier recording is named, drawn or played from here on
    if (take === this.take && this.faders) return;
    this.take = take;
    this.told = [];
    this.pending = null;
    this.player?.forget();
    this.player?.context.close();
    this.player = null;
    this.ready = false; // whether the recording's name and length have come
    this.products = { names: [], numbers: new Float32Array(0) };
    this.early = [];
    this.faders = { gains: { rest: 0 }, muted: [], soloed: [] };
    this.history = new History(this.faders);
    this.alone = null;
    this.source = 'mix';
    this.sounds = [];
    this.levels = {};
    this.picture.reset(1, 16000);
    this.rows.replaceChildren();
    this.away(true);
  }
  away(on) {
    this.root.classList.toggle('ws-away', on);
    this.desk.hidden = on;
    this.title.hidden = on;
    this.note.hidden = on;
    if (on) this.player?.pause();
  }
  showRecording() {
    const r = this.model.get('recording');
    this.fresh(this.model.get('take'));
    if (!r.name) return;
    this.title.textContent = `${r.name}: ${timeText(r.seconds, true)}, ${r.rate / 1000} kHz${r.channels > 1 ? `, ${r.channels} channels` : ''}`;
    this.note.textContent = r.note;
    if (!this.ready) {
      this.ready = true;
      if (canPlay()) this.openPlayer(r);
      this.picture.reset(r.seconds, r.rate);
      for (const [m, b] of this.early.splice(0)) this.message(m, b);
    }
    if (!this.pending) this.away(false);
    this.drawOutputs();
    this.sound();
    this.restore();
  }
  openPlayer(r) {
    this.player = new Player(r.rate, r.seconds);
    this.player.onend = () => this.drawPlaying();
    this.ear = this.player.context.createAnalyser();
    this.ear.fftSize = 2048;
    this.player.master.connect(this.ear);
  }
  message(m, buffers) {
    if (m.to && m.to !== this.id) return;
    if (m.type === 'got') return this.acknowledged?.(m);
    const bytes = buffers?.length ? bytesOf(buffers[0]) : null;
    if (m.type === 'file') return save(m.name, bytes);
    if (m.take < this.take) return;
    if (m.take > this.take) this.fresh(m.take);
    if (!this.ready) return void this.early.push([m, buffers]);
    if (m.type === 'part' && this.player) this.part(m, bytes);
    if (m.type === 'picture') this.picture.add(m.name, m.start, m.hop, new Uint8Array(bytes));
    if (m.type === 'products') this.product(m, new Float32Array(bytes));
  }
  async part(m, bytes) {
    const player = this.player;
    try {
      await player.add(m.name, m.start, bytes, m);
    } catch {
      if (player === this.player) this.say(`This browser cannot decode ${labelOf(m.name)}: another browser plays it.`);
      return;
    }
    if (player !== this.player) return player.forget();
    this.sound();
    this.drawReady();
  }
  product(m, numbers) {
    const before = m.first ? new Float32Array(0) : this.products.numbers;
    const all = new Float32Array(before.length + numbers.length);
    all.set(before);
    all.set(numbers, before.length);
    this.products = { names: m.names, numbers: all };
    this.levels = {};
    this.sound();
  }

  // ---- what is heard
  listen(source) {
    // "before", "mix", "removed", "rest" or a sound
    this.source = source;
    this.alone = null;
    this.sound();
  }
  factors() {
    return heardFactors(this.faders);
  }
  loudness(source, weights) {
    const { names, numbers } = this.products;
    if (!names.length) return null;
    const key = JSON.stringify([source, weights]);
    this.levels[key] ??= sumLoudness(numbers, names.length, names.map((n) => weights[n] ?? 0));
    return this.levels[key];
  }
  sound() {
    // everything that follows from faders and source
    const factors = this.factors();
    for (const [n, b] of Object.entries(this.sources)) b.setAttribute('aria-pressed', n === this.source);
    for (const row of this.rows.children) row.querySelector('.ws-alone')?.setAttribute('aria-pressed', row.dataset.name === this.source);
    this.showPicture(factors);
    if (!this.player) return;
    const weights = weightsOf(this.source, factors);
    const level = this.matched.checked ? this.loudness(this.source, weights) : null;
    const reference = level === null ? null : this.loudness('before', weightsOf('before', factors));
    this.player.set(weights, level === null ? 1 : matchingFactor(level, reference));
    this.drawPlaying();
  }
  showPicture(factors) {
    const names = Object.keys(factors);
    const shown = { before: () => 1, mix: (n) => factors[n], removed: (n) => Math.abs(1 - factors[n]) }[this.source] ?? ((n) => (n === this.source ? 1 : 0));
    const colours = Object.fromEntries(names.map((n) => [n, this.colour(n)]));
    this.picture.show(Object.fromEntries(names.map((n) => [n, shown(n)])), colours);
  }
  colour(name) {
    const i = this.sounds.findIndex((s) => s.name === name);
    const palette = getComputedStyle(this.root);
    return palette.getPropertyValue(`--ws-sound-${i < 0 ? 'rest' : (i % 7) + 1}`).trim() || '#8a8a8a';
  }
  toggle() {
    this.until = null;
    this.player?.toggle();
    this.drawPlaying();
  }
  seek(seconds) {
    this.until = null;
    this.player?.seek(seconds);
    this.picture.move(seconds);
  }
  surest(name) {
    // the middle of its surest time, for a second
    const times = this.sounds.find((s) => s.name === name)?.times ?? [];
    if (!times.length || !this.player) return;
    const [a, b] = times.reduce((best, t) => (t[2] > best[2] ? t : best));
    this.listen(name);
    const from = Math.max(a, (a + b) / 2 - 0.5);
    this.player.pause();
    this.seek(from);
    this.player.play();
    this.until = Math.min(this.player.seconds, from + 1);
    this.drawPlaying();
  }
  setLoop(loop) {
    this.player?.setLoop(loop);
    this.picture.showLoop(loop);
    this.repeat.setAttribute('aria-pressed', Boolean(loop));
  }
  toggleLoop() {
    if (this.player) this.setLoop(this.player.loop ? null : this.picture.span[1] - this.picture.span[0] < this.player.seconds ? [...this.picture.span] : [0, this.player.seconds]);
  }
  frame() {
    if (!this.alive) return;
    if (this.player?.playing) {
      const at = this.player.position();
      if (this.until && at >= this.until) {
        this.player.pause();
        this.until = null;
        this.drawPlaying();
      }
      this.picture.follow(at);
      this.drawTime(at);
      this.drawMeter();
    }
    requestAnimationFrame(() => this.frame());
  }
  drawTime(at) {
    this.time.textContent = this.player ? `${timeText(at, true)} / ${timeText(this.player.seconds, true)}` : '';
  }
  drawMeter() {
    const samples = new Float32Array(this.ear.fftSize);
    this.ear.getFloatTimeDomainData(samples);
    const peak = decibels(samples.reduce((m, v) => Math.max(m, Math.abs(v)), 0));
    this.meterBar.style.width = `${Math.max(0, Math.min(100, ((peak + 60) / 66) * 100))}%`;
    const said = Math.max(-60, Math.round(peak));
    this.meter.setAttribute('aria-valuenow', Math.min(6, said));
    this.meter.setAttribute('aria-valuetext', peak > -60 ? `${said} dBFS` : 'silent');
    if (peak > 0.01) this.overSign.hidden = false;
  }
  drawPlaying() {
    this.playing.textContent = this.player?.playing ? 'Pause' : 'Play';
    this.drawTime(this.player?.position() ?? 0);
    this.picture.move(this.player?.position() ?? 0);
  }

  // ---- sounds and faders
  showSounds() {
    this.fresh(this.model.get('take'));
    this.sounds = this.model.get('sounds');
    this.fadersCame();
    this.rows.replaceChildren(h('h2', { class: 'ws-heading', text: 'In this recording' }), ...this.sounds.map((s) => this.row(s)), this.row({ name: 'rest', times: [], probability: null, heard: true }));
    this.drawReady();
    this.drawFaders();
    this.drawOutputs();
    this.pickWanted();
    this.restore();
  }
  pickWanted() {
    // what was picked before it had a fader
    for (const [name, verb] of Object.entries(this.wanted))
      if (name in this.faders.gains) {
        delete this.wanted[name];
        this.pick([name], verb);
      }
  }
  restore() {
    // after a reload: the faders as they were, once every sound that had one is there
    const kept = this.restored;
    if (!kept || !this.model.get('recording').note) return;
    const missing = Object.keys(kept.gains).filter((n) => !(n in this.faders.gains));
    if (!missing.length) {
      this.restored = null;
      return this.change({ ...kept, gains: { ...this.faders.gains, ...kept.gains } });
    }
    const news = missing.filter((n) => !kept.asked?.includes(n));
    kept.asked = [...(kept.asked ?? []), ...news];
    for (const name of news) this.model.send({ type: 'add', name });
  }
  row(s) {
    const said = labelOf(s.name);
    const seconds = this.model.get('recording').seconds || 1;
    const known = s.name === 'rest' ? '' : s.probability === null ? (s.example ? 'by example' : '') : s.heard ? s.probability.toFixed(2) : `not heard, ${s.probability.toFixed(2)}`;
    const name = h('button', { type: 'button', class: 'ws-name', title: s.times.length ? 'Play its surest second' : '', 'aria-label': `${said}${known ? `, probability ${known}` : ''}${s.times.length ? ', play its surest second' : ''}`, on: { click: () => this.surest(s.name) } }, h('i', { class: 'ws-swatch', style: `background:${this.colour(s.name)}` }), h('b', { text: said }), h('small', { text: known }), s.probability === null ? null : h('span', { class: 'ws-surety' }, h('i', { style: `width:${100 * s.probability}%` })));
    if (s.name === 'rest') name.disabled = true;
    const bars = h('div', { class: 'ws-bars', role: 'img', 'aria-label': s.name === 'rest' ? 'Everything else, throughout' : `${said} is ${secondsText(s.times)}` }, ...s.times.map(([a, b, p]) => h('i', { style: `left:${(100 * a) / seconds}%;width:${Math.max(0.4, (100 * (b - a)) / seconds)}%;background:${this.colour(s.name)};opacity:${0.35 + 0.65 * Math.min(1, p)}` })));
    const fader = h('input', { type: 'range', class: 'ws-fader', min: '-40', max: '12', step: '1', value: '0', 'aria-label': `${said}, level`, on: { input: () => this.fade(s.name, +fader.value, true), change: () => this.fade(s.name, +fader.value), dblclick: () => this.fade(s.name, 0), keydown: (e) => e.key === '0' && this.fade(s.name, 0) } });
    const act = (verb, text, key) => button(text, () => this.pick([s.name], verb), { class: `ws-button ws-pick ws-${verb}`, 'aria-pressed': 'false', 'aria-label': `${said}, ${text.toLowerCase()}`, 'aria-keyshortcuts': key, title: `${text} (${key})` });
    const alone = button('Alone', () => this.listen(s.name), { class: 'ws-button ws-alone', 'aria-pressed': 'false', 'aria-label': `${said}, hear it alone` });
    return h('div', { class: 'ws-sound', role: 'group', 'aria-label': said, 'data-name': s.name }, name, bars, fader, h('output', { class: 'ws-db', text: '0 dB' }), h('div', { class: 'ws-group' }, act('keep', 'Keep', 'S'), act('drop', 'Take out', 'M'), alone));
  }
  drawReady() {
    // what cannot be heard yet says so
    for (const row of this.rows.querySelectorAll('.ws-sound')) {
      const name = row.dataset.name;
      const whole = name === 'rest' || !this.player || this.player.loaded(name) > 0;
      row.classList.toggle('ws-coming', !whole);
      row.querySelector('.ws-alone').disabled = !whole;
    }
  }
  drawFaders() {
    for (const row of this.rows.querySelectorAll('.ws-sound')) {
      const name = row.dataset.name;
      const db = this.faders.gains[name] ?? 0;
      const fader = row.querySelector('.ws-fader');
      if (+fader.value !== db) fader.value = db;
      fader.setAttribute('aria-valuetext', levelText(db));
      row.querySelector('.ws-db').textContent = levelText(db);
      const pick = picked(this.faders, name);
      row.querySelector('.ws-keep').setAttribute('aria-pressed', pick === 'keep');
      row.querySelector('.ws-drop').setAttribute('aria-pressed', pick === 'drop');
      row.classList.toggle('ws-silent', this.factors()[name] === 0);
    }
    this.undo.disabled = this.history.at === 0;
    this.redo.disabled = this.history.at === this.history.states.length - 1;
    this.enhance.setAttribute('aria-pressed', same(this.faders.soloed, ['Speech']));
  }
  fade(name, db, moving = false) {
    this.change({ ...this.faders, gains: { ...this.faders.gains, [name]: db } }, moving);
  }
  change(faders, moving = false) {
    // heard and seen at once; the kernel hears of it a moment later
    this.faders = faders;
    if (!moving && !same(this.history.state, faders)) this.history.push(faders);
    if (!['mix', 'removed'].includes(this.source)) this.source = 'mix';
    this.sound();
    this.drawFaders();
    this.tell();
    if (!moving) this.classes.draw();
  }
  tell() {
    this.telling ??= setTimeout(() => {
      this.telling = null;
      this.told = [...(this.told ?? []).slice(-20), JSON.stringify(this.faders)];
      this.model.set('faders', this.faders);
      this.model.save_changes();
      if (this.own) remember({ faders: this.faders });
    }, 60);
  }
  fadersCame() {
    // the kernel has another sound, or refused something
    const faders = this.model.get('faders');
    // what comes back of one's own moves is old by then
    if (!faders.gains || this.telling || same(faders, this.faders) || this.told?.includes(JSON.stringify(faders))) return;
    const other = !same(Object.keys(faders.gains), Object.keys(this.faders.gains));
    this.faders = faders;
    if (other) this.history = new History(faders);
    this.sound();
    this.drawFaders();
    this.classes.draw();
    this.pickWanted();
  }
  step(by) {
    const faders = this.history.move(by);
    if (!faders) return;
    this.faders = faders;
    this.sound();
    this.drawFaders();
    this.tell();
    this.classes.draw();
  }
  pick(names, verb) {
    const here = names.filter((n) => n in this.faders.gains);
    const missing = names.filter((n) => !(n in this.faders.gains));
    if (here.length) this.change(withPick(this.faders, here, verb));
    if (!this.title.textContent) return this.say('Choose a recording first.');
    if (missing.length > 5) return this.say(`${missing.length} of these sounds were not heard. Open the group and choose those you mean.`);
    for (const name of missing) {
      if (verb) this.wanted[name] = verb;
      this.model.send({ type: 'add', name });
    }
  }
  onlySpeech() {
    if (same(this.faders.soloed, ['Speech'])) return this.change({ ...this.faders, soloed: [] });
    if ('Speech' in this.faders.gains) return this.change({ ...this.faders, soloed: ['Speech'], muted: this.faders.muted.filter((n) => n !== 'Speech') });
    this.pick(['Speech'], 'keep');
  }
  unknown(entry) {
    const can = this.model.get('options').by_example;
    this.unknownNote.hidden = false;
    this.example.hidden = !can;
    this.unknownNote.textContent = can
      ? `The system does not know ${entry.name}. Give it a short recording of such a sound alone, and it looks for that.`
      : `The system does not know ${entry.name}, and it takes no examples. A system that was trained with this sound does.`;
  }
  fillClasses() {
    this.classes.fill(this.model.get('classes'), this.model.get('synonyms'));
  }

  // ---- files
  over(event, on) {
    if (![...(event.dataTransfer?.types ?? [])].includes('Files')) return;
    event.preventDefault();
    this.root.classList.toggle('ws-dropping', on);
  }
  dropped(event) {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    this.root.classList.remove('ws-dropping');
    this.upload(event.dataTransfer.files[0], 'recording');
  }
  chose(input, purpose) {
    const file = input.files[0];
    input.value = ''; // the same file again is a new choice
    if (file) this.upload(file, purpose);
  }
  async upload(file, purpose, faders = null) {
    const id = ++this.uploads;
    const limit = this.model.get('options').limit_mb;
    this.problem.hidden = true;
    if (file.size > 1e6 * limit) return this.say(`${file.name} has ${Math.round(file.size / 1e6)} MB, ${limit} are allowed here: choose a part of it.`);
    if (purpose === 'recording') {
      this.pending = { name: file.name, faders };
      this.away(true);
    }
    this.telling = clearTimeout(this.telling) ?? null;
    this.showStage(`Uploading ${file.name}`, 0);
    const shown = file.name;
    let sent = file;
    if (DECODED_HERE.test(file.name)) {
      try {
        sent = await wavOf(file);
      } catch {
        return this.refused(`${file.name} holds no sound that this browser can read. Save it as wav, flac or mp3 and choose that.`);
      }
    }
    if (this.own && purpose === 'recording') remember({ file, faders: null });
    for (let at = 0; at < sent.size || at === 0; at += PIECE) {
      const piece = await sent.slice(at, at + PIECE).arrayBuffer();
      if (id !== this.uploads) return; // another file was chosen meanwhile
      const got = new Promise((done) => (this.acknowledged = (m) => m.id === id && done()));
      this.model.send({ type: 'upload', id, name: sent.name, shown, purpose, size: sent.size, at }, undefined, [new DataView(piece)]);
      await Promise.race([got, new Promise((done) => (this.unblock = done))]);
      if (id !== this.uploads) return;
      this.showStage(`Uploading ${shown}`, Math.min(1, (at + PIECE) / sent.size));
      if (!sent.size) break;
    }
    if (id === this.uploads && purpose === 'recording' && this.pending) this.showStage(`Reading ${shown}`, 0);
  }
  refused(text) {
    this.uploads++;
    this.unblock?.();
    this.pending = null;
    this.work.hidden = true;
    if (this.model.get('recording').name) this.away(false);
    this.say(text);
  }
  async recording() {
    // a minute at most; pressed again, it ends
    if (this.recorder) return this.recorder.stop();
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
    } catch {
      return this.say('The microphone cannot be used: allow it in the address bar, or choose a file.');
    }
    const parts = [];
    this.recorder = new MediaRecorder(stream);
    this.recorder.ondataavailable = (e) => parts.push(e.data);
    this.recorder.onstop = () => {
      stream.getTracks().forEach((t) => t.stop());
      clearTimeout(this.recordEnd);
      this.recorder = null;
      this.record.textContent = 'Record';
      this.upload(new File(parts, 'recording.webm'), 'recording');
    };
    this.recorder.start();
    this.record.textContent = 'Stop recording';
    this.recordEnd = setTimeout(() => this.recorder?.stop(), 60_000);
  }

  // ---- what the kernel says
  showProgress() {
    const p = this.model.get('progress');
    this.progress = { ...p, since: performance.now() };
    if (!p.stage) {
      if (this.pending && this.work.dataset.upload) return; // the upload shows itself
      this.work.hidden = true;
      return;
    }
    this.showStage(p.stage, p.share, p.left);
  }
  showStage(stage, share, left = null) {
    this.work.hidden = false;
    this.work.dataset.upload = stage.startsWith('Uploading') ? '1' : '';
    this.bar.value = share;
    this.stage.textContent = [stage, share ? `${Math.round(100 * share)} %` : '', leftText(left)].filter(Boolean).join(', ');
  }
  second() {
    // between two reports the time goes on, and so does the bar
    const p = this.progress;
    if (!this.work.hidden && p?.left) {
      const gone = (performance.now() - p.since) / 1000;
      const left = Math.max(1, p.left - gone);
      this.showStage(p.stage, Math.min(0.99, p.share + ((1 - p.share) * gone) / (p.left + gone)), left);
    }
    if (this.own) this.askServer();
  }
  async askServer() {
    if (this.asking) return;
    this.asking = true;
    try {
      await fetch(new URL('/favicon.ico', location.href), { cache: 'no-store', signal: AbortSignal.timeout(3000) });
      this.gone.hidden = true;
    } catch {
      this.gone.hidden = false;
    }
    this.asking = false;
  }
  showProblem() {
    const p = this.model.get('problem');
    if (!p.text) {
      this.problem.hidden = true;
      return;
    }
    if (p.n === this.problems) return;
    this.problems = p.n;
    if (this.pending && (!p.name || p.name === this.pending.name || p.name.startsWith(this.pending.name.replace(/\.\w+$/, '')))) this.refused(p.text);
    else this.say(p.text);
  }
  say(text) {
    this.problem.textContent = text;
    this.problem.hidden = false;
  }
  showLines() {
    const { python, command } = this.model.get('lines');
    this.unchanged.hidden = Boolean(python);
    for (const [line, text] of [[this.python, python], [this.command, command]]) {
      line.el.hidden = !text;
      line.code.textContent = text ?? '';
    }
  }
  drawOutputs() {
    const said = [['mix', 'The mix'], ['removed', 'What was removed'], ...this.sounds.map((s) => [s.name, s.name]), ['rest', 'Everything else'], ['settings', 'The settings']];
    this.choice.replaceChildren(...said.map(([value, text]) => h('option', { value, text })));
  }

  // ---- a page of its own
  setOptions() {
    const { theme, example } = this.model.get('options');
    this.tryIt.hidden = !example;
    if (!theme || this.own) return;
    this.own = true;
    this.becomeMain();
    const system = matchMedia('(prefers-color-scheme: dark)');
    const set = () => {
      const dark = theme === 'auto' ? system.matches : theme === 'dark';
      document.body.toggleAttribute('data-weakse-dark', dark);
      document.body.dataset.jpThemeLight = String(!dark);
    };
    set();
    system.addEventListener('change', set);
    this.onDocument = (e) => this.root.contains(e.target) || this.key(e);
    document.addEventListener('keydown', this.onDocument);
    recall().then((kept) => {
      if (!kept?.file || this.model.get('recording').name || this.pending) return;
      // what was given by example is not kept: nothing can be asked for by its name
      const known = (n) => !n.startsWith('Like ');
      const { gains, muted, soloed } = kept.faders ?? {};
      if (gains) this.restored = { gains: Object.fromEntries(Object.entries(gains).filter(([n]) => known(n))), muted: muted.filter(known), soloed: soloed.filter(known) };
      this.upload(kept.file, 'recording').catch(forget);
    });
  }
  // a widget is drawn before it has its place on the page: so its frame is looked for until it is there
  becomeMain(tries = 300) {
    const frame = this.root.closest('.ws-app');
    if (frame) frame.setAttribute('role', 'main');
    else if (tries) requestAnimationFrame(() => this.becomeMain(tries - 1));
  }
  key(event) {
    const target = event.target;
    const typing = target.matches?.('textarea, select, input:not([type=range]):not([type=checkbox])');
    const action = actionOf(event, typing);
    if (this.root.contains(target) && !event.ctrlKey && !event.metaKey) event.stopPropagation(); // not the notebook's
    if (event.key === ' ' && target.closest?.('button, input, summary, [role=treeitem]')) return;
    const row = target.closest?.('.ws-sound');
    const acts = {
      toggle: () => this.toggle(),
      before: () => this.listen('before'),
      mix: () => this.listen('mix'),
      removed: () => this.listen('removed'),
      loop: () => this.toggleLoop(),
      mute: () => row && this.pick([row.dataset.name], 'drop'),
      solo: () => row && this.pick([row.dataset.name], 'keep'),
      undo: () => this.step(-1),
      redo: () => this.step(1),
    };
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && !typing && !target.closest?.('input, [role=tree]') && this.player) this.seek(this.player.position() + by * (event.shiftKey ? 5 : 1));
    else if (action) acts[action]();
    else return;
    event.preventDefault();
  }
}

function bytesOf(view) {
  return view instanceof ArrayBuffer ? view : view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
}
function save(name, bytes) {
  const url = URL.createObjectURL(new Blob([bytes]));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function render({ model, el }) {
  const bench = new Bench(model, el);
  return () => bench.close();
}
export default { render };
