// The audit in the browser: anchors of a class with their clips, one sound at a time, and a verdict by a key or a click.
import { button, h } from './elements.js';
import { Timeline } from './axes.js';

const SVG = 'http://www.w3.org/2000/svg';
function drawing(tag, attributes, ...children) {
  const el = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
  el.append(...children);
  return el;
}
export function stepsOf(curve) {
  // the path of probabilities in percent, a step a frame
  return `M0 100${curve.map((p, i) => `H${i}V${100 - p}`).join('')}H${curve.length}`;
}
export function nextUnheard(cards, at) {
  // the next card that nobody has heard, behind this one or from the beginning; -1 where there is none
  const order = [...cards.keys()].map((i) => (at + 1 + i) % cards.length);
  return order.find((i) => !cards[i].heard) ?? -1;
}
export const countText = (n, of, what) => `${n} of ${of} ${what}`;
const VERDICTS = [['accept', 'Accept', 'A'], ['reject', 'Reject', 'R'], ['', 'Undecided', 'U']];

class Curve extends Timeline {
  // the probability of a class over a clip, the anchor's window, and the threshold
  constructor(card, on) {
    const n = card.curve.length;
    const x = (seconds) => (n * seconds) / card.length;
    const picture = drawing(
      'svg',
      { viewBox: `0 -4 ${n} 108`, preserveAspectRatio: 'none', 'aria-hidden': 'true', class: 'ws-curve' },
      drawing('rect', { x: x(card.start), y: -4, width: x(Math.min(card.seconds, card.length - card.start)), height: 108 }),
      drawing('path', { d: stepsOf(card.curve), fill: 'none', 'vector-effect': 'non-scaling-stroke' }),
      drawing('line', { x1: 0, x2: n, y1: 100 - card.threshold, y2: 100 - card.threshold, 'vector-effect': 'non-scaling-stroke' }),
    );
    super(h, h('div', {}, picture), { ...on, label: `Position in ${card.file}` });
    this.picture = picture;
    this.begin(card.length, null);
    this.move(card.start);
  }
  paint() {
    const length = this.span[1] - this.span[0];
    this.picture.style.width = `${(100 * this.seconds) / length}%`;
    this.picture.style.marginLeft = `${(-100 * this.span[0]) / length}%`;
  }
}

class Audit {
  constructor(model, el) {
    this.model = model;
    this.sounds = new Map(); // number of a card -> address of its clip
    this.audio = new Audio(); // the only one: what comes takes over
    this.audio.addEventListener('ended', () => this.pause());
    this.at = 0;
    this.shown = [];
    this.alive = true;
    this.build();
    el.append(this.root);
    const heard = { classes: this.drawClasses, cards: this.drawCards, note: this.drawNote, problem: this.drawNote, busy: this.drawNote };
    this.listeners = Object.entries(heard).map(([name, f]) => [`change:${name}`, () => f.call(this)]);
    this.listeners.push(['msg:custom', (m, b) => this.message(m, b)]);
    for (const [event, f] of this.listeners) model.on(event, f);
    for (const f of new Set(Object.values(heard))) f.call(this);
    this.frame();
  }
  close() {
    this.alive = false;
    this.pause();
    for (const [event, f] of this.listeners) this.model.off(event, f);
    this.letGo();
  }
  letGo() {
    for (const address of this.sounds.values()) URL.revokeObjectURL(address);
    this.sounds.clear();
    for (const c of this.shown) c.curve.close();
  }
  build() {
    this.choice = h('select', { 'aria-label': 'Sound', on: { change: () => this.ask(this.choice.value) } });
    this.often = h('input', { type: 'number', min: '1', max: '20', 'aria-label': 'Anchors of each group', on: { change: () => this.ask(this.choice.value) } });
    this.looked = h('span', { class: 'ws-help', role: 'status' });
    this.next = button('Next unheard', () => this.goUnheard(), { 'aria-keyshortcuts': 'N', title: 'Next unheard (N)' });
    this.count = h('span', { class: 'ws-help' });
    this.groups = h('div', { class: 'ws-groups' });
    this.note = h('p', { class: 'ws-note', role: 'status' });
    this.problem = h('p', { class: 'ws-note ws-problem', role: 'alert', hidden: true });
    this.busy = h('p', { class: 'ws-note', role: 'status', hidden: true });
    const head = h('div', {}, h('h2', { class: 'ws-title', text: 'Anchor audit' }), h('p', { class: 'ws-help', text: 'Listen to the surest and the least sure finds of a sound, and to those that an answer teaches most about. What you reject is not used by the next run.' }));
    const keys = h('p', { class: 'ws-help ws-keys' });
    for (const [key, what] of [['Space', 'plays the anchor'], ['A', 'accepts'], ['R', 'rejects'], ['U', 'undecided'], ['↑ ↓', 'another anchor'], ['N', 'next unheard']]) keys.append(h('span', {}, h('kbd', { text: key }), ` ${what}`), ' ');
    const bar = h('div', { class: 'ws-bar' }, h('label', {}, 'Sound ', this.choice), h('label', {}, 'Of each group ', this.often), this.next, this.looked);
    this.root = h('section', { class: 'weakse ws-audit', 'aria-label': 'Anchor audit', 'data-lm-suppress-shortcuts': 'true' }, head, bar, keys, this.busy, this.problem, this.count, this.groups, this.note);
    this.root.addEventListener('keydown', (e) => this.key(e));
  }
  ask(name) {
    // another class, or more of it
    this.pause();
    this.model.send({ type: 'class', name, n: Math.max(1, Math.min(20, Math.round(+this.often.value) || 1)) });
  }

  // ---- what the kernel says
  drawClasses() {
    const classes = this.model.get('classes');
    const now = this.model.get('name');
    this.choice.replaceChildren(...classes.map((c) => h('option', { value: c.name, text: `${c.name} (${c.n} anchor${c.n === 1 ? '' : 's'})${c.looked ? ' ✓' : ''}` })));
    this.choice.value = now;
    this.often.value = this.model.get('n');
    this.looked.textContent = countText(classes.filter((c) => c.looked).length, classes.length, 'sounds looked at');
  }
  drawCards() {
    const cards = this.model.get('cards');
    const same = cards.length === this.shown.length && cards.every((c, i) => c.id === this.shown[i].card.id);
    if (same) return cards.forEach((c, i) => this.refresh(this.shown[i], c));
    this.pause();
    this.letGo();
    this.at = 0;
    this.shown = cards.map((card, i) => this.card(card, i));
    const places = [...new Set(cards.map((c) => c.heading))];
    this.groups.replaceChildren(
      ...places.flatMap((place) => [h('h3', { class: 'ws-heading', text: place }), h('div', { class: 'ws-cards' }, ...this.shown.filter((s) => s.card.heading === place).map((s) => s.el))]),
    );
    this.drawClasses();
    this.drawCount();
    this.mark();
    if (this.focused) this.shown[0]?.el.focus();
  }
  drawCount() {
    const cards = this.shown.map((s) => s.card);
    this.count.textContent = cards.length ? countText(cards.filter((c) => c.heard).length, cards.length, 'of these anchors heard') : '';
  }
  drawNote() {
    for (const [el, name] of [[this.note, 'note'], [this.problem, 'problem'], [this.busy, 'busy']]) {
      el.textContent = this.model.get(name);
      el.hidden = !el.textContent;
    }
  }
  card(card, i) {
    const curve = new Curve(card, { onseek: (s) => this.play(i, s), onloop: ([a, b]) => this.play(i, a, b) });
    const play = button('Play', () => this.toggle(i), { class: 'ws-button ws-first ws-play', 'aria-label': `Play the anchor of ${card.file}` });
    const whole = button('Whole clip', () => this.play(i, 0), { 'aria-label': `Play the whole of ${card.file}` });
    const verdicts = VERDICTS.map(([verdict, text, key]) => button(text, () => this.judge(i, verdict), { class: `ws-button ws-${verdict || 'open'}`, 'aria-pressed': 'false', 'aria-keyshortcuts': key, 'aria-label': `${text}: ${card.file}`, title: `${text} (${key})` }));
    const said = h('small', { class: 'ws-help' });
    const el = h('div', { class: 'ws-card', role: 'group', tabindex: '-1', 'aria-label': `${card.name} in ${card.file}`, on: { focusin: () => this.mark(i) } },
      h('p', {}, h('b', { text: card.file }), ' ', said), curve.el, h('p', { class: 'ws-facts', text: card.facts }),
      h('div', { class: 'ws-bar' }, play, whole, h('div', { class: 'ws-group', role: 'group', 'aria-label': 'Verdict' }, ...verdicts)));
    const shown = { card, el, curve, play, said, verdicts };
    this.refresh(shown, card);
    return shown;
  }
  refresh(shown, card) {
    shown.card = card;
    shown.said.textContent = card.heard ? 'heard' : '';
    shown.verdicts.forEach((b, k) => b.setAttribute('aria-pressed', VERDICTS[k][0] === card.verdict));
    this.drawCount();
  }
  message(m, buffers) {
    if (m.type !== 'sound') return;
    const shown = this.shown.find((s) => s.card.id === m.id);
    if (!shown) return;
    const view = buffers[0];
    this.sounds.set(m.id, URL.createObjectURL(new Blob([view instanceof ArrayBuffer ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength)])));
    if (this.wanted?.id === m.id) this.sound(this.wanted);
  }

  // ---- hear
  toggle(i) {
    if (this.playing === i) return this.pause();
    const { card } = this.shown[i];
    this.play(i, card.start, Math.min(card.length, card.start + card.seconds));
  }
  play(i, from, to = Infinity) {
    // from a place of the clip, to another or to its end; what was heard before ends
    this.pause();
    this.mark(i);
    const { card } = this.shown[i];
    this.wanted = { id: card.id, i, from, to };
    if (this.sounds.has(card.id)) this.sound(this.wanted);
    else this.model.send({ type: 'sound', id: card.id });
  }
  sound({ id, i, from, to }) {
    this.wanted = null;
    this.audio.src = this.sounds.get(id);
    this.audio.currentTime = from;
    this.until = to;
    this.playing = i;
    this.audio.play().catch(() => this.pause());
    this.shown[i].play.textContent = 'Pause';
    if (!this.shown[i].card.heard) this.model.send({ type: 'heard', id });
  }
  pause() {
    this.wanted = null;
    this.audio.pause();
    if (this.playing === undefined) return;
    const { curve, play } = this.shown[this.playing];
    play.textContent = 'Play';
    curve.move(this.audio.currentTime);
    this.playing = undefined;
  }
  frame() {
    if (!this.alive) return;
    if (this.playing !== undefined) {
      this.shown[this.playing].curve.move(this.audio.currentTime);
      if (this.audio.currentTime >= this.until) this.pause();
    }
    requestAnimationFrame(() => this.frame());
  }

  // ---- judge
  judge(i, verdict) {
    this.mark(i);
    this.model.send({ type: 'verdict', id: this.shown[i].card.id, verdict });
  }
  mark(i = this.at) {
    // the card that keys are for
    this.at = i;
    this.shown.forEach((s, k) => {
      s.el.tabIndex = k === i ? 0 : -1;
      s.el.toggleAttribute('aria-current', k === i);
    });
  }
  go(i) {
    if (!this.shown[i]) return;
    this.pause();
    this.mark(i);
    this.shown[i].el.focus();
  }
  goUnheard() {
    // of this class, or else the first of the next class that nobody has listened to
    const cards = this.shown.map((s) => s.card);
    const i = nextUnheard(cards, cards[this.at]?.heard ? this.at : this.at - 1);
    if (i >= 0) return this.go(i);
    const classes = this.model.get('classes');
    const at = classes.findIndex((c) => c.name === this.model.get('name'));
    const next = [...classes.slice(at + 1), ...classes.slice(0, at)].find((c) => !c.looked);
    this.focused = true;
    if (next) this.ask(next.name);
  }
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // not the notebook's
    if (event.target.closest('select, input')) return;
    if (event.key === ' ' && event.target.closest('button')) return;
    const step = { ArrowLeft: -0.5, ArrowRight: 0.5 }[event.key]; // s, where the curve has the focus
    if (step && event.target.closest('.ws-area')) {
      event.preventDefault();
      return this.play(this.at, Math.max(0, this.shown[this.at].curve.at + step));
    }
    const acts = { ' ': () => this.toggle(this.at), a: () => this.judge(this.at, 'accept'), r: () => this.judge(this.at, 'reject'), u: () => this.judge(this.at, ''), n: () => this.goUnheard(), ArrowDown: () => this.go(this.at + 1), ArrowRight: () => this.go(this.at + 1), ArrowUp: () => this.go(this.at - 1), ArrowLeft: () => this.go(this.at - 1), Home: () => this.go(0), End: () => this.go(this.shown.length - 1) };
    const act = this.shown.length && acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    act();
    event.preventDefault();
  }
}

function render({ model, el }) {
  const audit = new Audit(model, el);
  return () => audit.close();
}
export default { render };
