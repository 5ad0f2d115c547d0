// The blind test of the listening page: for each sample the reference, and all conditions without their names, the
// reference (hidden) and the mixture (the anchor) among them, each to be rated from 0 to 100.
export function draws(seed) {
  // numbers from 0 to 1 that depend on the seed alone (mulberry32)
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
export function shuffled(list, draw) {
  // a new order (Fisher and Yates)
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}
export function trialsOf(samples, seed) {
  // samples: { sample, level, reference, conditions: [{ condition, src }] }; in a new order, lettered A, B, ...
  const draw = draws(seed);
  return shuffled(samples, draw).map((s) => ({
    ...s,
    items: shuffled(s.conditions, draw).map((c, i) => ({ ...c, letter: String.fromCharCode(65 + i), rating: null, heard: 0 })),
  }));
}
export const isDone = (trial) => trial.items.every((i) => i.heard >= 1 && i.rating !== null);
export function rowsOf(trials, facts) {
  // a row for each rating
  return trials.flatMap((t, n) =>
    t.items.map((i) => ({ ...facts, trial: n + 1, sample: t.sample, level_db: t.level, condition: i.condition, letter: i.letter, rating: i.rating, heard_s: +i.heard.toFixed(1), seconds: +(t.seconds ?? 0).toFixed(1) })),
  );
}
export function csvOf(rows) {
  const cell = (x) => (/[",\n]/.test(String(x)) ? `"${String(x).replaceAll('"', '""')}"` : String(x ?? ''));
  const names = Object.keys(rows[0] ?? {});
  return [names, ...rows.map((r) => names.map((n) => r[n]))].map((r) => r.map(cell).join(',')).join('\n') + '\n';
}

export class Blind {
  constructor(page) {
    this.page = page;
    this.place = document.createElement('section');
    this.place.id = 'blind';
    this.place.className = 'wide';
    this.place.setAttribute('aria-label', 'Blind test');
    this.place.hidden = true;
    document.querySelector('main').before(this.place);
    const start = this.button('Blind test', () => this.start());
    document.querySelector('nav > div').append(start);
  }
  el(tag, attributes = {}, ...children) {
    const el = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
    el.append(...children);
    return el;
  }
  button(text, click, attributes = {}) {
    const b = this.el('button', { type: 'button', ...attributes }, text);
    b.addEventListener('click', click);
    return b;
  }
  samples() {
    // what is shown now of the main experiment, or of the first table that there is
    const table = document.querySelector('#experiment2 table') ?? document.querySelector('main table');
    const rows = [...(table?.querySelectorAll('tbody:not([hidden]) tr:not([hidden])') ?? [])];
    return rows.flatMap((row) => {
      const reference = row.querySelector('.clip.true[data-label="True speech"]');
      const heard = [...row.querySelectorAll('.clip:not(.true)[data-kind="speech"]')];
      if (!reference || heard.length < 2) return [];
      const conditions = heard.map((c) => ({ condition: c.dataset.label, src: c.href }));
      return [{ sample: row.querySelector('th b').textContent, level: row.querySelector('.clip').dataset.group.split('/').pop(), reference: reference.href, conditions: [...conditions, { condition: 'Hidden reference', src: reference.href }] }];
    });
  }
  start() {
    const asked = Number(new URLSearchParams(location.search).get('seed'));
    this.seed = asked || Math.floor(Math.random() * 2 ** 31);
    this.trials = trialsOf(this.samples(), this.seed);
    this.n = 0;
    this.started = new Date().toISOString();
    document.querySelector('main').hidden = true;
    document.querySelector('#dock').hidden = true;
    document.querySelectorAll('#sounds audio').forEach((a) => a.pause());
    this.place.hidden = false;
    this.show();
  }
  leave() {
    this.hush();
    this.place.hidden = true;
    document.querySelector('main').hidden = false;
    document.querySelector('#dock').hidden = false;
  }
  hush() {
    this.sounds?.forEach((a) => a.pause());
  }
  show() {
    this.hush();
    const trial = this.trials[this.n];
    if (!trial) return this.finish();
    this.since = performance.now();
    this.sounds = new Map([['', new Audio(trial.reference)], ...trial.items.map((i) => [i.letter, new Audio(i.src)])]);
    this.sounds.forEach((a) => {
      a.preload = 'auto';
      a.loop = true;
    });
    this.next = this.button(this.n + 1 < this.trials.length ? 'Next sample' : 'Finish', () => this.go());
    this.place.replaceChildren(
      this.el('h2', {}, `Blind test: ${this.n + 1} of ${this.trials.length}`),
      this.el('p', {}, 'How good is the speech beside the reference, from 0 (bad) to 100 (as the reference)? Hear each of them for a second at least, and move every slider. One of them is the reference itself, one the mixture.'),
      this.el('p', {}, this.button('Reference', () => this.play(''), { 'aria-pressed': 'false', 'data-letter': '' })),
      ...trial.items.map((item) => this.line(item)),
      this.el('p', {}, this.next, ' ', this.button('Stop the test', () => this.leave())),
    );
    this.check();
  }
  line(item) {
    const out = this.el('output', {}, '–');
    const slider = this.el('input', { type: 'range', min: '0', max: '100', value: '50', 'aria-label': `Rating of ${item.letter}` });
    slider.addEventListener('input', () => {
      item.rating = +slider.value;
      out.textContent = slider.value;
      this.check();
    });
    return this.el('p', { class: 'rated' }, this.button(item.letter, () => this.play(item.letter), { 'aria-pressed': 'false', 'aria-label': `Play ${item.letter}`, 'data-letter': item.letter }), slider, out);
  }
  play(letter) {
    // at the same place as the one before it; pressed again, it pauses
    const before = [...this.sounds.values()].find((a) => !a.paused);
    const chosen = this.sounds.get(letter);
    const at = before?.currentTime ?? chosen.currentTime;
    this.hush();
    if (before !== chosen) {
      chosen.currentTime = at;
      chosen.play().catch(() => {});
    }
    for (const b of this.place.querySelectorAll('[data-letter]')) b.setAttribute('aria-pressed', b.dataset.letter === letter && before !== chosen);
    clearInterval(this.clock);
    const item = this.trials[this.n].items.find((i) => i.letter === letter);
    this.clock = setInterval(() => {
      if (item && !chosen.paused) item.heard += 0.1;
      this.check();
    }, 100);
  }
  check() {
    const trial = this.trials[this.n];
    if (trial) this.next.disabled = !isDone(trial);
  }
  go() {
    clearInterval(this.clock);
    this.trials[this.n].seconds = (performance.now() - this.since) / 1000;
    this.n++;
    this.show();
  }
  finish() {
    const rows = rowsOf(this.trials, { page: this.page, seed: this.seed, started: this.started });
    const save = (name, text) => {
      const a = this.el('a', { href: URL.createObjectURL(new Blob([text])), download: name });
      a.click();
    };
    const said = this.trials.length ? 'Thank you. Save the ratings; whoever collects them makes means of all of them.' : 'There is nothing to rate at this level: choose another one.';
    const gets = this.trials.length ? [this.button('Save as csv', () => save(`ratings-${this.seed}.csv`, csvOf(rows))), ' ', this.button('Save as json', () => save(`ratings-${this.seed}.json`, JSON.stringify(rows, null, 1))), ' '] : [];
    this.place.replaceChildren(this.el('h2', {}, 'Blind test'), this.el('p', {}, said), this.el('p', {}, ...gets, this.button('Back to the page', () => this.leave())));
  }
}
