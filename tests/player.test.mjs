// The arithmetic of the browser's side, without a browser: `node --test tests/player.test.mjs`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
const here = new URL('../weakse/app/static/', import.meta.url);
// the package has no package.json, so Node is told that these are modules
const load = async (name) => {
  const text = readFileSync(new URL(name, here), 'utf8').replace(/^import [^;]* from '\.\/([\w.]+)';\n/gm, '');
  return text;
};
const joined = async (...names) => {
  const texts = await Promise.all(names.map(load));
  const code = texts.join('\n').replace(/^export default .*$/m, '');
  return import('data:text/javascript;base64,' + Buffer.from(code).toString('base64'));
};
const p = await joined('player.js');
const s = await joined('player.js', 'search.js', 'classes.js');
const d = await joined('axes.js', 'picture.js');
const axes = await joined('axes.js');
const f = await joined('files.js');
const near = (a, b, eps = 1e-9) => assert.ok(Math.abs(a - b) < eps, `${a} is not ${b}`);

test('levels in words', () => {
  assert.deepEqual([-6, 3, 0, null, -Infinity, -0.04].map(p.levelText), ['-6 dB', '+3 dB', '0 dB', 'silent', 'silent', '0 dB']);
  near(p.factorOf(-20), 0.1);
  assert.equal(p.factorOf(null), 0);
});

test('mute, solo and both', () => {
  const state = { gains: { Rain: 0, Speech: -20, rest: 0 }, muted: ['Rain'], soloed: [] };
  assert.deepEqual(p.heardFactors(state), { Rain: 0, Speech: 0.1, rest: 1 });
  assert.deepEqual(p.heardFactors({ ...state, soloed: ['Rain', 'Speech'] }), { Rain: 0, Speech: 0.1, rest: 0 });
});

test('M7: all at 0 dB is the recording itself; mix and removed add up to it; the sounds and the rest too', () => {
  const names = ['recording', 'Rain', 'Speech'];
  const zero = p.heardFactors({ gains: { Rain: 0, Speech: 0, rest: 0 }, muted: [], soloed: [] });
  assert.deepEqual(p.weightsOf('mix', zero), { recording: 1, Rain: 0, Speech: 0 });
  const factors = { Rain: 0.2, Speech: 1.3, rest: 0.5 };
  const [mix, removed, before] = ['mix', 'removed', 'before'].map((n) => p.weightsOf(n, factors));
  for (const n of names) near(mix[n] + removed[n], before[n]);
  const sounds = ['Rain', 'Speech', 'rest'].map((n) => p.weightsOf(n, factors));
  for (const n of names) near(sounds.reduce((sum, w) => sum + w[n], 0), before[n]);
});

test('a pick is a fader: keep is solo, take out is mute, twice lets go', () => {
  let state = { gains: { Rain: 0, Dog: 0, rest: 0 }, muted: [], soloed: [] };
  state = p.withPick(state, ['Rain'], 'drop');
  assert.equal(p.picked(state, 'Rain'), 'drop');
  state = p.withPick(state, ['Rain', 'Dog'], 'drop');
  assert.deepEqual(state.muted, ['Rain', 'Dog']);
  state = p.withPick(state, ['Rain'], 'keep');
  assert.deepEqual([state.muted, state.soloed], [['Dog'], ['Rain']]);
  assert.deepEqual(p.withPick(state, ['Rain'], 'keep').soloed, []);
});

test('H4: loudness of a sum follows from products', () => {
  // two tracks, alternately loud: 0.1 s each
  const grams = new Float32Array(20 * 3);
  for (let b = 0; b < 20; b++) grams.set([0.01, 0.002, 0.04], 3 * b);
  const power = (u, v) => u * u * 0.01 + 2 * u * v * 0.002 + v * v * 0.04;
  for (const [u, v] of [[1, 0], [0, 1], [1, -1], [0.5, 2]]) near(p.sumLoudness(grams, 2, [u, v]), 10 * Math.log10(power(u, v)) - 0.691, 1e-5);
  assert.equal(p.sumLoudness(grams, 2, [0, 0]), -70);
  near(p.matchingFactor(-40, -30), 10 ** 0.5);
  near(p.matchingFactor(-15, -10), 10 ** (-5 / 20));
  assert.equal(p.matchingFactor(-70, -20), 1);
});

test('axes', () => {
  assert.deepEqual(axes.timeTicks(0, 4), [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]);
  assert.deepEqual(axes.timeTicks(290, 312, 6), [290, 295, 300, 305, 310]);
  assert.deepEqual([4.25, 59.96, 65, 3661].map((x) => axes.timeText(x)), ['4.25 s', '59.96 s', '1:05', '1:01:01']);
  const hz = axes.hzTicks(8000);
  assert.deepEqual([hz[0], hz.at(-1)], [[0, 0], [8000, 1]]);
  assert.deepEqual([250, 11025].map(axes.hzText), ['250 Hz', '11 kHz']);
  for (const least of [0.05, 0.14, 0.4]) {
    const at = axes.spacedTicks(8000, least).map((t) => t[1]);
    assert.ok(at[0] === 0 && at.at(-1) === 1 && at.slice(1).every((x, i) => x - at[i] >= least));
  }
});

test('keys', () => {
  const key = (k, more = {}) => p.actionOf({ key: k, ...more });
  assert.deepEqual([' ', 'a', 'B', 'r', 'l', 's', 'M', 'x'].map((k) => key(k)), ['toggle', 'before', 'mix', 'removed', 'loop', 'solo', 'mute', null]);
  assert.equal(p.actionOf({ key: 'a' }, true), null);
  assert.deepEqual([key('z', { ctrlKey: true }), key('Z', { metaKey: true, shiftKey: true }), key('y', { ctrlKey: true }), key('c', { ctrlKey: true })], ['undo', 'redo', 'redo', null]);
});

test('undo and redo', () => {
  const history = new p.History(1);
  [2, 3].forEach((x) => history.push(x));
  assert.deepEqual([history.move(-1), history.move(-1), history.move(-1), history.move(1)], [2, 1, null, 2]);
  history.push(9);
  assert.deepEqual([history.move(1), history.move(-1)], [null, 2]);
});

class FakeContext {
  // a clock that is moved by hand, and a list of what was started
  constructor() {
    Object.assign(this, { currentTime: 0, sampleRate: 16000, started: [], gains: [] });
  }
  createGain() {
    const gain = { value: 1, cancelScheduledValues() {}, setValueAtTime(v) { this.value = v; }, linearRampToValueAtTime(v) { this.value = v; } };
    return { gain, connect() {}, disconnect() {} };
  }
  createBufferSource() {
    const source = { connect() {}, stop: () => (source.stopped = true), start: (when, offset, seconds) => this.started.push({ when, offset, seconds, buffer: source.buffer }) };
    return source;
  }
}
const sound = (seconds) => ({ duration: seconds });

test('H1: all tracks start at one time of one clock, parts one behind the other', () => {
  const context = new FakeContext();
  const player = new p.Player(16000, 4, context);
  player.put('recording', 0, sound(2), {});
  player.put('recording', 2, sound(2.2), { lead: 0.2, seconds: 2 });
  player.put('Rain', 0, sound(4), {});
  assert.equal(player.loaded('recording'), 4);
  player.seek(1);
  player.play();
  const [a, b, c] = context.started;
  assert.deepEqual([a.when, a.offset, a.seconds], [0.03, 1, 1]);
  near(b.when, 1.03);
  near(b.offset, 0.2);
  assert.deepEqual([c.when, c.offset, c.seconds], [0.03, 1, 3]);
  context.currentTime = 1.53;
  near(player.position(), 2.5);
  // a part that comes while it plays is taken up in the middle, at its place
  player.put('Speech', 0, sound(4), {});
  const late = context.started.at(-1);
  near(late.when - 0.03 + 1, late.offset);
  player.pause();
  near(player.place, 2.5);
});

test('a sound begins at a sample, wherever one has pointed', () => {
  const context = new FakeContext();
  const player = new p.Player(16000, 4, context);
  player.put('recording', 0, sound(4), {});
  player.seek(1.23456789);
  player.play();
  for (const x of [context.started[0].when, context.started[0].offset]) near(x * 16000, Math.round(x * 16000), 1e-6);
});

test('a loop is laid out ahead, end to beginning, without a gap', () => {
  const context = new FakeContext();
  const player = new p.Player(16000, 10, context);
  player.put('recording', 0, sound(10), {});
  player.setLoop([2, 3]);
  player.play();
  const passes = context.started.map((x) => [x.when, x.offset, x.seconds]);
  assert.ok(passes.length >= 2);
  passes.forEach(([when, offset, seconds], i) => {
    near(when, 0.03 + i);
    assert.deepEqual([offset, seconds], [2, 1]);
  });
  context.currentTime = 1.53;
  near(player.position(), 2.5);
  player.pause();
});

test('what plays to its end stops there, and begins anew', () => {
  const context = new FakeContext();
  const player = new p.Player(16000, 1, context);
  player.put('recording', 0, sound(1), {});
  let ended = 0;
  player.onend = () => ended++;
  player.play();
  context.currentTime = 1.1;
  player.tick();
  assert.deepEqual([ended, player.playing, player.place], [1, false, 1]);
  player.play();
  near(player.position(), 0, 0.05);
  player.pause();
});

const entry = (name, ...path) => ({ name, path, depth: path.length, inner: false, known: 'yes', classes: [name] });
test('search: whole word, beginning, middle, synonyms', () => {
  const names = ['Speech', 'Telephone', 'Marimba, xylophone', 'Cat', 'Chewing, mastication', 'Caterwaul', 'Car', 'Car alarm', 'Race car, auto racing', 'Hum', 'Humming', 'Mains hum', 'Human voice', 'Bell', 'Church bell', 'Bark', 'Dog', 'Digestive', 'Doorbell', 'Telephone bell ringing', 'Ringtone'];
  const synonyms = JSON.parse(readFileSync(new URL('synonyms.json', here), 'utf8'));
  const index = s.searchIndex(names.map((n) => entry(n)), synonyms);
  const first = (q) => s.search(index, q)[0]?.name;
  assert.deepEqual(['hum', 'phone', 'cat', 'car', 'bell', 'barking', 'talking', 'person', 'SPEE', 'tele bell'].map(first), ['Hum', 'Telephone', 'Cat', 'Car', 'Bell', 'Bark', 'Speech', 'Speech', 'Speech', 'Telephone bell ringing']);
  assert.deepEqual(s.search(index, 'zzz'), []);
  assert.deepEqual(s.search(index, '   '), []);
});

test('a group of which some are picked is mixed; names say the state', () => {
  const faders = { gains: { Dog: 0, Bark: 0, rest: 0 }, muted: ['Bark'], soloed: [] };
  const group = { ...entry('Dogs'), inner: true, known: 'group', classes: ['Dog', 'Bark'] };
  assert.equal(s.stateOf(group.classes, faders), 'mixed');
  assert.equal(s.spoken(entry('Bark'), faders), 'Bark, take out');
  assert.equal(s.spoken({ ...entry('Yip'), known: 'parent', classes: ['Dog'] }, faders), 'Yip, leave, known as Dog');
  assert.equal(s.spoken({ ...entry('Piano'), known: 'no', classes: [] }, faders), 'Piano, not known');
});

test('the tree shows what is open', () => {
  const lines = [{ ...entry('Animal'), inner: true }, { ...entry('Dog', 'Animal'), inner: true }, entry('Bark', 'Animal', 'Dog'), entry('Music')];
  const names = (open) => s.visibleEntries(lines, new Set(open)).map((r) => r.entry.name);
  assert.deepEqual(names([]), ['Animal', 'Music']);
  assert.deepEqual(names([0]), ['Animal', 'Dog', 'Music']);
  assert.deepEqual(names([0, 1]), ['Animal', 'Dog', 'Bark', 'Music']);
});

test('a cell of the picture has the colour of its sound, and silence is black', () => {
  const out = new Uint8ClampedArray(4 * 80 * 2);
  const column = (v) => new Uint8Array(80).fill(v);
  const columns = { Rain: (x) => (x ? column(0) : column(200)), rest: () => column(0) };
  const colours = { Rain: '#ff0000', rest: '#888888' };
  d.paintColumns(out, 2, columns, { Rain: 1, rest: 1 }, colours, d.POWER[200]);
  assert.ok(out[0] > 250 && out[1] < 3 && out[4] < 3);
  d.paintColumns(out, 2, columns, { Rain: 0, rest: 0 }, colours, d.POWER[200]);
  assert.equal(Math.max(...out.filter((_, i) => i % 4 < 3)), 0);
});

test('a wav of what the browser decoded', () => {
  const view = new DataView(f.wavBytes([Float32Array.of(0, 1, -1), Float32Array.of(0.5, 0, 0)], 44100));
  assert.deepEqual([view.byteLength, view.getUint32(24, true), view.getUint16(22, true)], [44 + 12, 44100, 2]);
  assert.deepEqual([46, 48, 52].map((at) => view.getInt16(at, true)), [16384, 32767, -32768]);
});

test('the blind test: an order from the seed alone, letters, all to be heard and rated, a csv', async () => {
  const b = await joined('trials.js');
  const samples = [1, 2, 3].map((n) => ({ sample: `Sample ${n}`, level: '5', reference: 'r', conditions: ['Noisy', 'Enhanced, "2"', 'Hidden reference'].map((condition) => ({ condition, src: condition })) }));
  const [one, again, other] = [7, 7, 8].map((seed) => b.trialsOf(samples, seed));
  assert.deepEqual(one, again);
  assert.notDeepEqual(one, other);
  assert.deepEqual(one.map((t) => t.sample).sort(), ['Sample 1', 'Sample 2', 'Sample 3']);
  assert.deepEqual(one[0].items.map((i) => i.letter), ['A', 'B', 'C']);
  assert.equal(b.isDone(one[0]), false);
  one.forEach((t) => t.items.forEach((i) => Object.assign(i, { heard: 1.5, rating: 40 })));
  assert.equal(b.isDone(one[0]), true);
  const rows = b.rowsOf(one, { page: 'abc', seed: 7 });
  assert.equal(rows.length, 9);
  const csv = b.csvOf(rows).split('\n');
  assert.equal(csv[0], 'page,seed,trial,sample,level_db,condition,letter,rating,heard_s,seconds,rows');
  assert.ok(csv.some((l) => l.includes('"Enhanced, ""2"""')));
});

test('ABX: X is one of two, each sample as often, right half of the time by guessing', async () => {
  const b = await joined('trials.js');
  const samples = [1, 2, 3].map((n) => ({ sample: `Sample ${n}`, level: '5', conditions: (n < 3 ? ['Noisy', 'Wiener'] : ['Noisy']).map((condition) => ({ condition, src: condition })) }));
  assert.deepEqual(b.conditionsOf(samples), ['Noisy', 'Wiener']);
  const trials = b.abxTrials(samples, ['Noisy', 'Wiener'], 400, 3);
  assert.deepEqual(trials, b.abxTrials(samples, ['Noisy', 'Wiener'], 400, 3));
  assert.equal(trials.filter((t) => t.sample === 'Sample 1').length, 200);
  assert.equal(trials.filter((t) => t.sample === 'Sample 3').length, 0);
  const [a, noisy] = [trials.filter((t) => t.x === 'A').length, trials.filter((t) => t.items[0].condition === 'Noisy').length];
  assert.ok(a > 150 && a < 250 && noisy > 150 && noisy < 250);
  assert.ok(trials.every((t) => t.items[2].src === t.items.find((i) => i.letter === t.x).src));
  assert.equal(b.isAnswered({ ...trials[0], answer: 'A' }), false);
  trials.forEach((t) => t.items.forEach((i) => (i.heard = 2)));
  assert.equal(b.isAnswered({ ...trials[0], answer: 'A' }), true);
  const rows = b.abxRows(trials.slice(0, 8), { page: 'abc', seed: 3 });
  assert.deepEqual([rows.length, rows[0].rows, Object.keys(rows[0]).slice(5, 9)], [8, 8, ['a', 'b', 'x', 'answer']]);
  assert.deepEqual(b.abxTrials(samples, ['Noisy', 'SEGAN'], 8, 3), []);
});
