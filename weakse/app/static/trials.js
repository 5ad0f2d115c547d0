// The trials of the blind tests, without a browser: which sounds are compared, in which order, and what is saved.
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
export const LEAST = 1; // s of each sound that are to be heard before one may judge
const allHeard = (trial) => trial.items.every((i) => i.heard >= LEAST);
const facts = (trial, n) => ({ trial: n + 1, sample: trial.sample, level_db: trial.level });
const tenths = (x) => +(x ?? 0).toFixed(1);
// a file that was cut off has fewer rows than it says
const counted = (rows) => rows.map((r) => ({ ...r, rows: rows.length }));

// ---- ratings
export function trialsOf(samples, seed) {
  // samples: { sample, level, reference, conditions: [{ condition, src }] }; in a new order, lettered A, B, ...
  const draw = draws(seed);
  return shuffled(samples, draw).map((s) => ({
    ...s,
    items: shuffled(s.conditions, draw).map((c, i) => ({ ...c, letter: String.fromCharCode(65 + i), rating: null, heard: 0 })),
  }));
}
export const isDone = (trial) => allHeard(trial) && trial.items.every((i) => i.rating !== null);
export function rowsOf(trials, page) {
  // a row for each rating
  const of = (t, n, i) => ({ ...page, ...facts(t, n), condition: i.condition, letter: i.letter, rating: i.rating, heard_s: tenths(i.heard), seconds: tenths(t.seconds) });
  return counted(trials.flatMap((t, n) => t.items.map((i) => of(t, n, i))));
}

// ---- ABX: X is A or is B, and one says which
export function conditionsOf(samples) {
  // every condition that there is, in the page's order
  return [...new Set(samples.flatMap((s) => s.conditions.map((c) => c.condition)))];
}
export function abxTrials(samples, [first, second], n, seed) {
  // n trials over the samples that have both conditions, each sample as often as the others; none where no sample has
  const draw = draws(seed);
  const both = samples.filter((s) => [first, second].every((name) => s.conditions.some((c) => c.condition === name)));
  const order = both.length ? Array.from({ length: Math.ceil(n / both.length) }, () => shuffled(both, draw)).flat().slice(0, n) : [];
  return order.map((s) => {
    const [a, b] = shuffled([first, second], draw).map((name) => s.conditions.find((c) => c.condition === name));
    const x = draw() < 0.5 ? 'A' : 'B';
    const items = [{ ...a, letter: 'A' }, { ...b, letter: 'B' }, { ...(x === 'A' ? a : b), letter: 'X' }];
    return { sample: s.sample, level: s.level, x, answer: null, items: items.map((i) => ({ ...i, heard: 0 })) };
  });
}
export const isAnswered = (trial) => allHeard(trial) && trial.answer !== null;
export function abxRows(trials, page) {
  // a row for each trial
  return counted(
    trials.map((t, n) => ({ ...page, ...facts(t, n), a: t.items[0].condition, b: t.items[1].condition, x: t.x, answer: t.answer, heard_s: tenths(Math.min(...t.items.map((i) => i.heard))), seconds: tenths(t.seconds) })),
  );
}

export function csvOf(rows) {
  const cell = (x) => (/[",\n]/.test(String(x)) ? `"${String(x).replaceAll('"', '""')}"` : String(x ?? ''));
  const names = Object.keys(rows[0] ?? {});
  return [names, ...rows.map((r) => names.map((n) => r[n]))].map((r) => r.map(cell).join(',')).join('\n') + '\n';
}
