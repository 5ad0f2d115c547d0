// The search among the classes, in the browser: whole word, then beginning of a word, then middle, then synonyms.
const wordsOf = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

export function searchIndex(entries, synonyms) {
  // entries: { name, path } of every class and group; synonyms: word -> names
  const found = entries.map((e) => ({ entry: e, text: e.name.toLowerCase(), words: wordsOf(e.name) }));
  const also = new Map();
  for (const [word, names] of Object.entries(synonyms))
    names.forEach((name, n) => also.set(name, [...(also.get(name) ?? []), { word: word.toLowerCase(), n }]));
  return found.map((e) => ({ ...e, also: also.get(e.entry.name) ?? [] }));
}
function ranked(item, query, words) {
  // smaller is nearer; null: not found
  const whole = (w) => item.words.includes(w);
  const begins = (w) => item.words.some((x) => x.startsWith(w));
  // the word "barking" finds "Bark" before what only has it in the middle
  const stem = (w) => item.words.some((x) => x.length > 2 && w.startsWith(x) && /^(s|es|ing|ed|er|ning|ting)$/.test(w.slice(x.length)));
  if (item.text === query) return 0;
  const synonym = item.also.find((a) => a.word === query); // the first names of the table come first
  const named = synonym !== undefined;
  const places = [
    [1, words.every(whole)],
    [2 + 0.01 * (synonym?.n ?? 0), named && item.words.length === 1],
    [3 + 0.01 * (synonym?.n ?? 0), named],
    [4, words.every((w) => whole(w) || stem(w))],
    [5, words.every((w) => whole(w) || begins(w))],
    [6, words.every((w) => item.text.includes(w))],
    [7, words.every((w) => item.also.some((a) => a.word.startsWith(w)) || begins(w))],
  ];
  const place = places.find(([, yes]) => yes);
  return place ? place[0] : null;
}
export function search(index, query, most = 30) {
  // the nearest entries: by place, then by where in the name, the shorter name first
  const text = query.trim().toLowerCase();
  const words = wordsOf(text);
  if (!words.length) return [];
  const first = (item) => {
    const at = item.words.findIndex((x) => x.startsWith(words[0]) || words[0].startsWith(x));
    return at < 0 ? 99 : at;
  };
  return index
    .map((item, i) => ({ item, i, place: ranked(item, text, words) }))
    .filter((r) => r.place !== null)
    .sort(
      (a, b) =>
        a.place - b.place ||
        first(a.item) - first(b.item) ||
        a.item.words.length - b.item.words.length ||
        a.item.text.length - b.item.text.length ||
        a.i - b.i,
    )
    .slice(0, most)
    .map((r) => r.item.entry);
}
