// Finding one's way on the listening page: an address for every place, filters, and on a phone one open sample. It
// follows `listening.js`, in the same script.
const stemOf = (e) => e.getAttribute('href').replace(/^audio\/|\.ogg$/g, '');
function noteAddress() {
  // which sound, and where in it: whoever gets the address hears the same
  if (!settled || !now) return;
  const at = (audio?.currentTime ?? 0).toFixed(1);
  history.replaceState(null, '', `#${encodeURIComponent(stemOf(now))}@${at}`);
}
function goToAddress() {
  // sample, level, condition and time of the address; false where it names none
  const [, name, at] = /^#(.+)@([\d.]+)$/.exec(location.hash) ?? [];
  const clip = name && $$('.clip').find((e) => stemOf(e) === decodeURIComponent(name));
  if (!clip) return false;
  const body = clip.closest('tbody');
  if (body.hidden) $(`[name=level][value="${body.dataset.snr}"]`).click();
  if (clip.closest('tr').hidden) clearFilters();
  choose(clip, false);
  const there = audio;
  const place = () => {
    there.currentTime = +at;
    draw();
  };
  if (there.readyState > 0) place();
  else there.addEventListener('loadedmetadata', place, { once: true });
  clip.closest('tr').scrollIntoView({ block: 'center' });
  return true;
}

function firstClip(place = '') {
  // of the rows that are shown, open or not
  return $$(`${place}tbody tr`)
    .filter(shown)
    .map((r) => $('.clip:not(.true)', r))
    .find(Boolean);
}

// ---- filters
const samplesOf = () => $$('tbody tr:not(.means)').filter((r) => $('.object', r));
const objectsOf = (row) =>
  $$('.object', row).map((e) => ({ name: e.firstChild.textContent.trim(), seen: $('em', e)?.className }));
const classChoice = $('#of-class'),
  seenChoice = $('#of-seen');
function fillFilters() {
  const names = [...new Set(samplesOf().flatMap((r) => objectsOf(r).map((o) => o.name)))].sort();
  classChoice.append(...names.map((name) => new Option(name, name)));
}
function filterRows() {
  // samples with such an object
  const seen = seenChoice?.value;
  const fits = (o) => (!classChoice.value || o.name === classChoice.value) && (!seen || o.seen === seen);
  const rows = samplesOf();
  for (const row of rows) row.hidden = !objectsOf(row).some(fits);
  $('#none').hidden = rows.some((r) => !r.hidden);
  if (now && now.closest('tr').hidden) {
    const next = firstClip();
    if (next) choose(next, false);
    else stop();
  }
}
function clearFilters() {
  classChoice.value = '';
  if (seenChoice) seenChoice.value = '';
  filterRows();
}
for (const e of [classChoice, seenChoice]) e?.addEventListener('change', filterRows);

// ---- on a phone a sample is a line, and the one that is chosen is open
const narrow = matchMedia('(max-width: 900px)');
function openRow(row) {
  for (const r of $$('tr.open')) r.classList.toggle('open', r === row);
  row?.classList.add('open');
  sayOpen();
}
function sayOpen() {
  for (const b of $$('.opener')) {
    if (narrow.matches) b.setAttribute('aria-expanded', b.closest('tr').classList.contains('open'));
    else b.removeAttribute('aria-expanded');
  }
}
for (const b of $$('tbody th b')) {
  const opener = document.createElement('button');
  opener.type = 'button';
  opener.className = 'opener';
  opener.textContent = b.textContent;
  opener.addEventListener('click', () => openRow(opener.closest('tr.open') ? null : opener.closest('tr')));
  b.replaceChildren(opener);
}
narrow.addEventListener('change', sayOpen);

// ---- what the page begins with
let settled = false;
fillFilters();
level($('[name=level]:checked')?.value ?? 'all');
if (!goToAddress()) {
  const first = firstClip('#experiment2 ') ?? firstClip();
  if (first) choose(first, false);
}
settled = true;
window.addEventListener('hashchange', goToAddress);
setInterval(() => asked && noteAddress(), 1000);
