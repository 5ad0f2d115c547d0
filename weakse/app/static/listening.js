// The player of the listening page: one sound at a time, and what comes next starts where the last one was.
const $ = (s, e = document) => e.querySelector(s),
  $$ = (s, e = document) => [...e.querySelectorAll(s)];
const sounds = new Map(),
  same = $('#same'),
  repeat = $('#repeat');
class Drawn extends Timeline {
  // the picture of the current sound; zoomed, a part of it
  constructor(img, on) {
    super(h, h('div', {}, img), on);
    this.img = img;
  }
  paint() {
    const length = this.span[1] - this.span[0];
    this.img.style.width = `${(100 * this.seconds) / length}%`;
    this.img.style.marginLeft = `${(-100 * this.span[0]) / length}%`;
  }
}
const drawn = new Drawn(h('img', { alt: '' }), { onseek: seek, onloop: setLoop });
$('#picture').append(drawn.el);
let now = null,
  audio = null,
  loop = null,
  asked = false;
const shown = (e) => e.offsetParent !== null;
const ofRow = (e) => $$('.clip:not(.true)', e.closest('tr')).concat($$('.clip.true', e.closest('tr')));

function sound(e) {
  // the element that plays a clip, made when first needed
  if (!sounds.has(e.href)) {
    const a = new Audio(e.href);
    a.preload = 'auto';
    a.dataset.volume = e.dataset.volume;
    a.addEventListener('loadedmetadata', () => a === audio && measure());
    a.addEventListener('timeupdate', keepLoop);
    a.addEventListener('ended', () => {
      if (a === audio) {
        asked = false;
        draw();
      }
    });
    $('#sounds').append(a);
    sounds.set(e.href, a);
  }
  const a = sounds.get(e.href);
  a.loop = repeat.checked;
  a.volume = same.checked ? 1 : +e.dataset.volume;
  return a;
}
function keepOnly(clips) {
  // load these, let go of all others
  const wanted = new Set(clips.map((e) => e.href));
  for (const [href, a] of sounds)
    if (!wanted.has(href)) {
      a.pause();
      a.removeAttribute('src');
      a.remove();
      sounds.delete(href);
    }
  clips.forEach(sound);
}
function hush() {
  for (const a of sounds.values()) if (a !== audio) a.pause();
}
function start() {
  asked = true;
  if (audio.ended) audio.currentTime = 0;
  audio.play().then(hush, () => {
    asked = false;
    draw();
  });
  tick();
}
function stop() {
  asked = false;
  sounds.forEach((a) => a.pause());
  draw();
  noteAddress();
}
function choose(e, play = asked) {
  // make a clip the current one, at the same position within its sample
  const before = audio,
    together = now && now.dataset.group === e.dataset.group;
  const at = together && before && !before.ended ? before.currentTime : 0;
  now?.removeAttribute('aria-current');
  now = e;
  now.setAttribute('aria-current', 'true');
  keepOnly(ofRow(e));
  audio = sound(e);
  if (audio !== before) audio.currentTime = at;
  if (!together) setLoop(null);
  measure(!together);
  describe();
  openRow(e.closest('tr'));
  if (play) start();
  else stop();
  noteAddress();
}
function toggle() {
  if (!now) {
    const first = $$('.clip:not(.true)').find(shown);
    if (first) choose(first, true);
  } else if (asked) stop();
  else start();
}

function describe() {
  // the dock: what it is, its numbers, the others of the sample
  const row = now.closest('tr'),
    section = now.closest('section'),
    sample = $('th b', row).textContent,
    level = now.dataset.group.split('/').pop();
  $('#name').textContent = now.dataset.label;
  const table = now.closest('table').dataset.title;
  $('#where').textContent = [sample, level === '-' ? '' : level + ' dB', $('h2', section).dataset.short, table]
    .filter(Boolean)
    .join(' · ');
  const numbers = now.closest('td') && $('dl', now.closest('td'));
  $('#numbers').replaceChildren(...(numbers ? [numbers.cloneNode(true)] : []));
  drawn.img.src = now.href.replace(/ogg$/, 'webp');
  $('#row').replaceChildren(
    ...ofRow(now).map((e) => {
      const b = document.createElement('button');
      b.type = 'button';
      b.textContent = e.dataset.label.replace(/, condition| object/, '');
      b.setAttribute('aria-pressed', e === now);
      if (e.classList.contains('true')) b.className = 'truly';
      b.addEventListener('click', () => choose(e, true));
      return b;
    }),
  );
  const on = $('#row [aria-pressed=true]'),
    bar = $('#row');
  if (bar.scrollWidth > bar.clientWidth) bar.scrollLeft = on.offsetLeft - bar.offsetLeft - 40;
}
function draw() {
  // the place, in the cell and in the dock
  document.body.classList.toggle('playing', asked);
  $('#play').setAttribute('aria-label', asked ? 'Pause' : 'Play');
  if (!audio) return;
  const length = audio.duration || 0,
    at = audio.currentTime;
  now.style.setProperty('--at', (length ? (100 * at) / length : 0) + '%');
  if (asked) drawn.follow(at);
  else drawn.move(at);
  if (length) $('#time').textContent = `${timeText(at, true)} / ${timeText(length, true)}`;
}
function measure(anew = false) {
  // how long it is: another sample begins whole, another sound of the same stays zoomed
  const length = audio.duration;
  if (length && (anew || Math.abs(length - drawn.seconds) > 0.01)) {
    drawn.begin(length, +$('#picture').dataset.rate);
    drawn.showLoop(loop);
    drawn.draw();
  }
  draw();
}
function seek(seconds) {
  if (!audio?.duration) return;
  audio.currentTime = Math.max(0, Math.min(audio.duration, seconds));
  draw();
  noteAddress();
}
function setLoop(span) {
  // a stretch that is played again and again, or null
  loop = span;
  drawn.showLoop(loop);
  $('#loop').setAttribute('aria-pressed', Boolean(loop));
  if (loop && audio) keepLoop();
}
function keepLoop() {
  if (loop && audio.duration && (audio.currentTime >= loop[1] || audio.currentTime < loop[0] - 0.05)) audio.currentTime = loop[0];
}
function toggleLoop() {
  setLoop(loop || !audio?.duration ? null : [...drawn.span]);
}
function tick() {
  keepLoop();
  draw();
  if (asked) requestAnimationFrame(tick);
}
function move(key, system = false) {
  // to another column, to the same column of another row, or to that of the same sample of another system
  if (!now) return toggle();
  const row = ofRow(now),
    i = row.indexOf(now);
  let next = null;
  if (key === 'ArrowLeft' || key === 'ArrowRight') next = row[i + (key === 'ArrowLeft' ? -1 : 1)];
  else {
    const rows = $$('tbody tr').filter((r) => shown(r) && $('.clip', r)),
      name = now.dataset.label;
    const at = rows.indexOf(now.closest('tr'));
    const sample = now.dataset.group;
    const ways = (key === 'ArrowUp' ? rows.slice(0, at).reverse() : rows.slice(at + 1)).filter(
      (r) => !system || ($('.clip', r).dataset.group === sample && r.closest('table') !== now.closest('table')),
    );
    // the nearest row that has this column; where none has it, the nearest row
    const clips = ways.map((r) => ofRow($('.clip', r)));
    next = clips.map((all) => all.find((e) => e.dataset.label === name)).find(Boolean) || clips[0]?.[0];
  }
  if (next) {
    choose(next);
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }
}

function level(value) {
  // show one level, or all
  for (const b of $$('tbody[data-snr]'))
    b.hidden = !(value === 'all' || b.dataset.snr === 'always' || b.dataset.snr === value);
  if (now && !shown(now)) {
    // go on with the same sample, column and table at the new level
    const sample = $('th b', now.closest('tr')).textContent,
      label = now.dataset.label;
    const next = $$('tbody tr', now.closest('table'))
      .filter((r) => shown(r) && $('.clip', r) && $('th b', r).textContent === sample)
      .flatMap((r) => ofRow($('.clip', r)))
      .find((e) => e.dataset.label === label);
    if (next) choose(next);
  }
}
document.addEventListener('click', (ev) => {
  const e = ev.target.closest('.clip');
  if (e && !ev.ctrlKey && !ev.metaKey && !ev.shiftKey) {
    ev.preventDefault();
    if (e === now) toggle();
    else choose(e, true);
  }
});
const STEPS = { ArrowLeft: -1, ArrowRight: 1 }; // s, where the picture has the focus
let pointed = false;
document.addEventListener(
  'pointerdown',
  () => {
    pointed = true;
  },
  true,
);
document.addEventListener('keydown', (ev) => {
  if ($('.blind:not([hidden])')) return; // the keys are those of the blind test
  if (ev.ctrlKey || ev.metaKey || ev.altKey) return;
  const control = ev.target.closest('nav, #dock'),
    clip = ev.target.closest('.clip');
  if (control && pointed)
    ev.target.blur(); // after a click the keys belong to the page again
  else if (control && (ev.target.closest('input, select') || ev.key === ' ')) return;
  else if (ev.target === drawn.area && ev.key in STEPS) {
    ev.preventDefault();
    return seek(audio ? audio.currentTime + STEPS[ev.key] * (ev.shiftKey ? 5 : 1) : 0);
  }
  pointed = false;
  const mine = {
    ' ': () => (clip && clip !== now ? choose(clip, true) : toggle()),
    m: () => same.click(),
    r: () => repeat.click(),
    l: toggleLoop,
    n: noisy,
  };
  if (ev.key.startsWith('Arrow')) {
    ev.preventDefault();
    move(ev.key, ev.shiftKey);
  } else if (mine[ev.key]) {
    ev.preventDefault();
    mine[ev.key]();
  }
});
let last = null;
function noisy() {
  // to the mixture and back
  if (!now) return toggle();
  const mixture = ofRow(now)[0];
  if (now !== mixture) {
    last = now;
    choose(mixture);
  } else if (last && last.closest('tr') === mixture.closest('tr')) choose(last);
}
$('#play').addEventListener('click', toggle);
$$('[name=level]').forEach((r) => r.addEventListener('change', () => level(r.value)));
same.addEventListener('change', () =>
  sounds.forEach((a) => (a.volume = same.checked ? 1 : +a.dataset.volume)),
);
repeat.addEventListener('change', () => sounds.forEach((a) => (a.loop = repeat.checked)));
$('#loop').addEventListener('click', toggleLoop);
$('#in').addEventListener('click', () => drawn.zoom(2));
$('#out').addEventListener('click', () => drawn.zoom(0.5));
{
  const a = new Audio();
  a.volume = 0.5;
  if (a.volume !== 0.5) same.closest('label').hidden = true;
}
