// Files in the browser: a sound that only the browser can decode becomes a wav; a page of its own keeps its recording
// and its faders over a reload.
export function wavBytes(channels, rate) {
  // 16-bit wav of channels of -1 to 1
  const [n, c] = [channels[0].length, channels.length];
  const view = new DataView(new ArrayBuffer(44 + 2 * n * c));
  const text = (at, s) => [...s].forEach((x, i) => view.setUint8(at + i, x.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, 36 + 2 * n * c, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, c, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate * c, true);
  view.setUint16(32, 2 * c, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * n * c, true);
  for (let i = 0, at = 44; i < n; i++)
    for (let k = 0; k < c; k++, at += 2) view.setInt16(at, Math.max(-32768, Math.min(32767, Math.round(32768 * channels[k][i]))), true);
  return view.buffer;
}
export async function wavOf(file) {
  // decode in the browser; throws for what holds no sound
  const context = new AudioContext();
  try {
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    const channels = Array.from({ length: Math.min(2, sound.numberOfChannels) }, (_, i) => sound.getChannelData(i));
    return new File([wavBytes(channels, sound.sampleRate)], file.name.replace(/\.\w+$/, '') + '.wav');
  } finally {
    context.close();
  }
}

// ---- kept over a reload, for this tab alone
const KEY = 'weakse-session';
const DAY = 86_400_000;
function store(mode, act) {
  // a request to the browser's database of files
  return new Promise((done) => {
    const open = indexedDB.open('weakse', 1);
    open.onupgradeneeded = () => open.result.createObjectStore('sessions');
    open.onerror = () => done(null);
    open.onsuccess = () => {
      const request = act(open.result.transaction('sessions', mode).objectStore('sessions'));
      request.onsuccess = () => done(request.result);
      request.onerror = () => done(null);
    };
  });
}
function session() {
  let id = sessionStorage.getItem(KEY);
  if (!id) sessionStorage.setItem(KEY, (id = `${Date.now()}-${Math.random().toString(36).slice(2)}`));
  return id;
}
export async function remember(what) {
  // the recording, or the faders
  if ('faders' in what) sessionStorage.setItem(`${KEY}-faders`, JSON.stringify(what.faders));
  if (!what.file) return;
  const old = (await store('readonly', (s) => s.getAllKeys())) ?? [];
  for (const key of old) if (Date.now() - +String(key).split('-')[0] > DAY) await store('readwrite', (s) => s.delete(key));
  await store('readwrite', (s) => s.put(what.file, session()));
}
export async function recall() {
  if (!sessionStorage.getItem(KEY)) return null;
  const file = await store('readonly', (s) => s.get(session()));
  return file ? { file, faders: JSON.parse(sessionStorage.getItem(`${KEY}-faders`) ?? 'null') } : null;
}
export async function forget() {
  await store('readwrite', (s) => s.delete(session()));
}
