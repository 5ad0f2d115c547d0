// The classes to pick from: a search over all of them, flat results, or the tree, with one tab stop.
import { picked } from './player.js';
import { search, searchIndex } from './search.js';

const SAID = { keep: 'keep', drop: 'take out', mixed: 'mixed', '': 'leave' };
export function stateOf(classes, faders) {
  // what is picked for all classes that an entry stands for
  const states = new Set(classes.map((c) => (c in faders.gains ? picked(faders, c) : '')));
  if (states.size > 1) return 'mixed';
  return [...states][0] ?? '';
}
export function entryNote(entry) {
  if (entry.known === 'parent') return `as ${entry.classes[0]}`;
  return entry.known === 'no' ? 'not known' : '';
}
export function spoken(entry, faders) {
  // "Rain, take out"
  const note = entryNote(entry);
  return [entry.name, entry.known === 'no' ? 'not known' : SAID[stateOf(entry.classes, faders)], note && entry.known !== 'no' ? `known ${note}` : '']
    .filter(Boolean)
    .join(', ');
}
export function visibleEntries(entries, open) {
  // the lines of the tree whose branches are open
  const shown = [];
  let closed = Infinity;
  entries.forEach((entry, i) => {
    if (entry.depth > closed) return;
    closed = entry.inner && !open.has(i) ? entry.depth : Infinity;
    shown.push({ entry, i });
  });
  return shown;
}

export class Classes {
  constructor(h, { onpick, onunknown, faders }) {
    this.h = h;
    this.onpick = onpick;
    this.onunknown = onunknown;
    this.faders = faders;
    this.entries = [];
    this.open = new Set();
    this.at = 0;
    this.field = h('input', { type: 'search', class: 'ws-search', 'aria-label': 'Search all sounds', on: { input: () => this.searched(), keydown: (e) => this.fromField(e) } });
    this.asTree = h('button', { type: 'button', class: 'ws-button', 'aria-pressed': 'false', text: 'Show as tree', on: { click: () => this.switchTree() } });
    this.list = h('div', { class: 'ws-tree', role: 'tree', 'aria-label': 'Sounds', on: { keydown: (e) => this.key(e), click: (e) => this.clicked(e) } });
    this.note = h('p', { class: 'ws-help', role: 'status' });
    this.el = h('div', { class: 'ws-classes' }, h('div', { class: 'ws-bar' }, this.field, this.asTree), this.note, this.list);
    this.draw();
  }
  fill(entries, synonyms) {
    this.entries = entries;
    const names = new Set();
    const once = entries.filter((e) => !names.has(e.name) && names.add(e.name));
    this.index = searchIndex(once, synonyms);
    this.field.placeholder = `Search ${once.length} sounds, such as rain`;
    this.draw();
  }
  switchTree() {
    const on = this.asTree.getAttribute('aria-pressed') !== 'true';
    this.asTree.setAttribute('aria-pressed', on);
    this.at = 0;
    this.draw();
  }
  searched() {
    this.at = 0;
    this.draw();
  }
  rows() {
    if (this.field.value.trim()) return search(this.index ?? [], this.field.value).map((entry) => ({ entry, i: -1 }));
    return this.asTree.getAttribute('aria-pressed') === 'true' ? visibleEntries(this.entries, this.open) : [];
  }
  draw() {
    const rows = (this.shown = this.rows());
    const query = this.field.value.trim();
    this.list.hidden = rows.length === 0;
    this.note.textContent = query && !rows.length ? `No sound is called “${query}”. Another word may find it.` : '';
    this.at = Math.min(this.at, Math.max(0, rows.length - 1));
    this.list.replaceChildren(...rows.map((row, n) => this.line(row, n)));
  }
  line({ entry, i }, n) {
    const flat = i < 0;
    const state = stateOf(entry.classes, this.faders());
    const inner = !flat && entry.inner;
    const act = (verb, text) =>
      this.h('button', { type: 'button', tabindex: '-1', 'aria-hidden': 'true', class: `ws-pick ws-${verb}`, 'data-verb': verb, 'data-on': state === verb || undefined, text });
    const row = this.h(
      'div',
      { class: 'ws-entry', role: 'treeitem', tabindex: n === this.at ? '0' : '-1', 'aria-label': spoken(entry, this.faders()), 'aria-level': String(flat ? 1 : entry.depth + 1), 'aria-selected': String(state !== '' && state !== 'mixed'), 'data-n': String(n), style: `padding-left:${flat ? 6 : 6 + 18 * entry.depth}px` },
      this.h('span', { class: 'ws-turn', text: inner ? (this.open.has(i) ? '▾' : '▸') : '' }),
      this.h('span', { class: 'ws-entry-name' }, entry.name, this.h('small', { text: flat && entry.path.length ? entry.path.join(' › ') : '' })),
      this.h('small', { class: 'ws-known', text: state === 'mixed' ? 'mixed' : entryNote(entry) }),
      ...(entry.known === 'no' ? [] : [act('keep', 'Keep'), act('drop', 'Take out')]),
    );
    if (inner) row.setAttribute('aria-expanded', this.open.has(i));
    return row;
  }
  clicked(event) {
    const line = event.target.closest('.ws-entry');
    if (!line) return;
    this.at = +line.dataset.n;
    const { entry, i } = this.shown[this.at];
    const verb = event.target.closest('[data-verb]')?.dataset.verb;
    if (verb) this.onpick(entry.classes, verb);
    else if (i >= 0 && entry.inner) this.turn(i);
    else if (entry.known === 'no') this.onunknown(entry);
    this.draw();
    this.focus();
  }
  turn(i, open = !this.open.has(i)) {
    if (open) this.open.add(i);
    else this.open.delete(i);
  }
  focus() {
    this.list.children[this.at]?.focus({ preventScroll: true });
    this.list.children[this.at]?.scrollIntoView({ block: 'nearest' });
  }
  goTo(n) {
    this.at = Math.max(0, Math.min(this.shown.length - 1, n));
    [...this.list.children].forEach((line, i) => line.setAttribute('tabindex', i === this.at ? '0' : '-1'));
    this.focus();
  }
  fromField(event) {
    if (event.key !== 'ArrowDown' || !this.shown.length) return;
    event.preventDefault();
    this.goTo(0);
  }
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { entry, i } = this.shown[this.at] ?? {};
    if (!entry) return;
    const moves = { ArrowDown: this.at + 1, ArrowUp: this.at - 1, Home: 0, End: this.shown.length - 1 };
    const next = { keep: 'drop', drop: '', mixed: 'keep', '': 'keep' };
    if (event.key in moves) this.goTo(moves[event.key]);
    else if (event.key === 'ArrowRight' && i >= 0 && entry.inner) {
      if (this.open.has(i)) this.goTo(this.at + 1);
      else this.turn(i, true), this.redraw();
    } else if (event.key === 'ArrowLeft' && i >= 0) {
      if (entry.inner && this.open.has(i)) this.turn(i, false), this.redraw();
      else this.goTo(Math.max(this.shown.findLastIndex((r, n) => n < this.at && r.entry.depth < entry.depth), entry.depth ? 0 : this.at));
    } else if (event.key === 'Enter' || event.key === ' ') {
      if (entry.known === 'no') this.onunknown(entry);
      else this.onpick(entry.classes, next[stateOf(entry.classes, this.faders())]);
      this.redraw();
    } else if (event.key.length === 1) this.typed(event.key.toLowerCase());
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
  typed(letter) {
    // to the next line that begins so
    const names = this.shown.map((r) => r.entry.name.toLowerCase());
    const order = names.map((_, n) => (this.at + 1 + n) % names.length);
    const found = order.find((n) => names[n].startsWith(letter));
    if (found !== undefined) this.goTo(found);
  }
  redraw() {
    this.draw();
    this.focus();
  }
}
