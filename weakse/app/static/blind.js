// The blind tests of the listening page. Ratings: for each sample the reference, and all conditions without their names,
// the reference (hidden) and the mixture (the anchor) among them, each to be rated from 0 to 100. ABX: two conditions,
// and a third sound that is one of them.
import { button, h } from './elements.js';
import { abxRows, abxTrials, conditionsOf, csvOf, isAnswered, isDone, LEAST, rowsOf, trialsOf } from './trials.js';

class Test {
  // a sheet in the page's place, on which trials follow each other; one at a time
  static all = [];
  constructor(page, name) {
    this.page = page;
    this.name = name;
    this.place = h('section', { class: 'wide blind', 'aria-label': name, hidden: true });
    this.place.addEventListener('keydown', (e) => this.key(e));
    document.querySelector('main').before(this.place);
    Test.all.push(this);
    document.querySelector('nav > div').append(button(name, () => this.open()));
  }
  samples() {
    // what is shown now of the main experiment, or of the first table that there is
    const table = document.querySelector('#experiment2 table') ?? document.querySelector('main table');
    const rows = [...(table?.querySelectorAll('tbody:not([hidden]) tr:not([hidden])') ?? [])];
    return rows.flatMap((row) => {
      const reference = row.querySelector('.clip.true[data-kind=speech]');
      const heard = [...row.querySelectorAll('.clip:not(.true)[data-kind=speech]')];
      if (!reference || heard.length < 2) return [];
      const conditions = heard.map((c) => ({ condition: c.dataset.label, src: c.href }));
      return [{ sample: row.querySelector('th b').textContent, level: row.querySelector('.clip').dataset.group.split('/').pop(), reference: reference.href, conditions: [...conditions, { condition: 'Hidden reference', src: reference.href }] }];
    });
  }
  open() {
    for (const other of Test.all) {
      other.hush();
      other.place.hidden = true;
    }
    for (const e of document.querySelectorAll('main, #dock')) e.hidden = true;
    document.querySelectorAll('#sounds audio').forEach((a) => a.pause());
    this.place.hidden = false;
    const asked = Number(new URLSearchParams(location.search).get('seed'));
    this.seed = asked || Math.floor(Math.random() * 2 ** 31);
    this.started = new Date().toISOString();
    this.begin();
  }
  leave() {
    this.hush();
    this.place.hidden = true;
    for (const e of document.querySelectorAll('main, #dock')) e.hidden = false;
  }
  hush() {
    clearInterval(this.clock);
    this.sounds?.forEach((a) => a.pause());
  }
  run(trials) {
    this.trials = trials;
    this.n = 0;
    this.show();
  }
  show() {
    this.hush();
    const trial = this.trials[this.n];
    if (!trial) return this.finish();
    this.since = performance.now();
    this.sounds = new Map([...(trial.reference ? [['', trial.reference]] : []), ...trial.items.map((i) => [i.letter, i.src])].map(([letter, src]) => [letter, new Audio(src)]));
    this.sounds.forEach((a) => Object.assign(a, { preload: 'auto', loop: true }));
    this.next = button(this.n + 1 < this.trials.length ? 'Next' : 'Finish', () => this.go());
    const title = h('h2', { tabindex: '-1', text: `${this.name}: ${this.n + 1} of ${this.trials.length}` });
    this.place.replaceChildren(title, ...this.sheet(trial), h('p', {}, this.next, ' ', button('Stop the test', () => this.leave())));
    title.focus();
    this.check();
  }
  listener(letter, name = letter) {
    return button(name, () => this.play(letter), { 'aria-pressed': 'false', 'aria-label': `Play ${name}`, 'data-letter': letter });
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
    const item = this.trials[this.n].items.find((i) => i.letter === letter);
    this.clock = setInterval(() => {
      if (item && !chosen.paused) item.heard += 0.1;
      this.check();
    }, 100);
  }
  key(event) {
    // a letter plays its sound
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('select')) return;
    const letter = event.key.toUpperCase();
    if (letter && this.trials?.[this.n] && this.sounds?.has(letter)) this.play(letter);
  }
  check() {
    const trial = this.trials[this.n];
    if (!trial) return;
    this.next.disabled = !this.isDone(trial);
    for (const item of trial.items) this.place.querySelector(`[data-letter=${item.letter}]`).toggleAttribute('data-heard', item.heard >= LEAST);
  }
  go() {
    this.trials[this.n].seconds = (performance.now() - this.since) / 1000;
    this.n++;
    this.show();
  }
  finish() {
    const rows = this.rows({ page: this.page, seed: this.seed, started: this.started });
    const save = (ending, text) => h('a', { href: URL.createObjectURL(new Blob([text])), download: `${this.file}-${this.seed}.${ending}` }).click();
    const gets = rows.length ? [button('Save as csv', () => save('csv', csvOf(rows))), ' ', button('Save as json', () => save('json', JSON.stringify(rows, null, 1))), ' '] : [];
    const said = rows.length ? `Thank you. ${this.thanks()} Save the file; whoever collects them counts all of them together.` : this.nothing;
    this.place.replaceChildren(h('h2', { tabindex: '-1', text: this.name }), h('p', { role: 'status', text: said }), h('p', {}, ...gets, button('Back to the page', () => this.leave())));
    this.place.querySelector('h2').focus();
  }
}

export class Blind extends Test {
  file = 'ratings';
  nothing = 'There is nothing to rate at this level: choose another one.';
  isDone = isDone;
  constructor(page) {
    super(page, 'Blind test');
  }
  begin() {
    this.run(trialsOf(this.samples(), this.seed));
  }
  sheet(trial) {
    const said = 'How good is the speech beside the reference, from 0 (bad) to 100 (as the reference)? Hear each of them for a second at least, and move every slider. One of them is the reference itself, one the mixture.';
    return [h('p', { text: said }), h('p', {}, this.listener('', 'Reference')), ...trial.items.map((item) => this.line(item))];
  }
  line(item) {
    const out = h('output', { text: '–' });
    const rate = () => {
      item.rating = +slider.value;
      out.textContent = slider.value;
      this.check();
    };
    const slider = h('input', { type: 'range', min: '0', max: '100', value: '50', 'aria-label': `Rating of ${item.letter}`, on: { input: rate } });
    return h('p', { class: 'rated' }, this.listener(item.letter), slider, out);
  }
  rows(facts) {
    return rowsOf(this.trials, facts);
  }
  thanks() {
    return `You rated ${this.trials.length === 1 ? 'one sample' : `${this.trials.length} samples`}.`;
  }
}

export class Abx extends Test {
  file = 'abx';
  nothing = 'No sample has both of them at this level: choose two others.';
  isDone = isAnswered;
  constructor(page) {
    super(page, 'ABX test');
  }
  begin() {
    // which two, and how often
    this.trials = [];
    const samples = this.samples();
    const names = conditionsOf(samples);
    const choice = (label, options, value) => {
      const select = h('select', { 'aria-label': label }, ...options.map((o) => h('option', { value: o, text: o })));
      select.value = value;
      return select;
    };
    const [one, other] = [choice('One', names, names.at(-2)), choice('The other', names, names.at(-1))];
    const often = choice('Trials', ['8', '16', '24'], '16');
    const note = h('p', { role: 'status' });
    const start = () => {
      if (one.value === other.value) note.textContent = 'Choose two that differ.';
      else this.run(abxTrials(samples, [one.value, other.value], +often.value, this.seed));
    };
    const said = 'Can you hear a difference between two of them? In each trial X is A or is B: hear all three and say which. Whoever hears no difference is right half of the time.';
    const ask = names.length ? [h('p', { text: said }), h('p', { class: 'asked' }, one, ' and ', other, often, ' trials'), note, button('Begin', start), ' '] : [h('p', { text: this.nothing })];
    this.place.replaceChildren(h('h2', { tabindex: '-1', text: this.name }), ...ask, button('Back to the page', () => this.leave()));
    this.place.querySelector('h2').focus();
  }
  sheet(trial) {
    const answers = ['A', 'B'].map((letter) =>
      button(`X is ${letter}`, () => this.say(trial, letter), { 'aria-pressed': 'false', 'data-answer': letter }),
    );
    return [h('p', { text: 'Which of them is X? Hear each for a second at least.' }), h('p', { class: 'asked' }, ...trial.items.map((i) => this.listener(i.letter))), h('p', { class: 'asked' }, ...answers)];
  }
  say(trial, letter) {
    trial.answer = letter;
    for (const b of this.place.querySelectorAll('[data-answer]')) b.setAttribute('aria-pressed', b.dataset.answer === letter);
    this.check();
  }
  rows(facts) {
    return abxRows(this.trials, facts);
  }
  thanks() {
    return `You were right ${this.trials.filter((t) => t.answer === t.x).length} times of ${this.trials.length}.`;
  }
}
